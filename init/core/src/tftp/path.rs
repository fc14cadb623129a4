//! Which names lead to a file: nothing but names of files and folders below the one that is served.

use alloc::string::String;
use alloc::vec::Vec;

/// The longest name, in bytes.
const MAX_NAME: usize = 255;

/// Most folders in a row.
const MAX_DEPTH: usize = 8;

/// The folders and the file of a name, from the served folder on. A slash at the beginning means that folder, as boot
/// loaders write it; there is no way to name anything outside. `None` for a name with `..`, with a part that begins with
/// a dot, with a backslash or with anything that is not plain text.
pub(super) fn parts(name: &[u8]) -> Option<Vec<String>> {
    let text = core::str::from_utf8(name).ok().filter(|text| text.len() <= MAX_NAME)?;
    let plain = |part: &str| !part.starts_with('.') && !part.chars().any(|c| c == '\\' || c.is_control());
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    let sound = (1..=MAX_DEPTH).contains(&parts.len()) && parts.iter().all(|part| plain(part)) && !text.ends_with('/');
    sound.then(|| parts.into_iter().map(String::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_but_below_the_folder() {
        let joined = |name: &str| parts(name.as_bytes()).map(|parts| parts.join("|"));
        assert_eq!(joined("0a1b2c3d/start4.elf").unwrap(), "0a1b2c3d|start4.elf");
        assert_eq!(joined("//boot/grub/a b").unwrap(), "boot|grub|a b", "the served folder is the root");
        for bad in
            ["", "/", "a/", "..", "../x", "a/../b", "/../etc/passwd", "./x", ".ssh/id", "a/.b", "a\\..\\b", "a\nb"]
        {
            assert_eq!(joined(bad), None, "{bad:?}");
        }
        assert_eq!(parts(b"\xff"), None);
        assert_eq!((joined(&"x".repeat(256)), joined("1/2/3/4/5/6/7/8/9")), (None, None));
    }
}
