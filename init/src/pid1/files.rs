//! Small files, read and written with care: bounded reads, no following of links where the gateway may write, and
//! replacement that survives a power cut.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// At most `max` bytes of a file that only root could have put there (also of `/proc` and `/sys`).
///
/// # Errors
/// Those of opening and reading.
pub fn read_bounded(path: &Path, max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(max as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// [`read_bounded`] as text; bytes that are not UTF-8 become replacement characters.
///
/// # Errors
/// Those of opening and reading.
pub fn read_text(path: &str, max: usize) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&read_bounded(Path::new(path), max)?).into_owned())
}

/// At most `max` bytes of a regular file in a folder that the gateway owns: it could have put a link, a pipe or a
/// device there.
///
/// # Errors
/// Those of opening and reading; `InvalidInput` if it is no regular file.
pub fn read_untrusted(path: &Path, max: usize) -> io::Result<Vec<u8>> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    file.take(max as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Replaces `path` so that after a power cut either the old or the new content is there: write beside, sync, rename,
/// sync the folder.
///
/// # Errors
/// Those of the calls; the old file is then untouched.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_bounded_and_follow_no_link() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link, pipe) = (dir.path().join("f"), dir.path().join("l"), dir.path().join("p"));
        replace(&file, b"0123456789").unwrap();
        replace(&file, b"abcdefghij").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read_bounded(&file, 3).unwrap(), b"abc");
        assert_eq!(read_untrusted(&file, 100).unwrap(), b"abcdefghij");
        assert!(read_untrusted(&link, 100).is_err());
        assert!(read_untrusted(&pipe, 100).is_err());
        assert!(read_untrusted(dir.path(), 100).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "nothing left beside");
    }
}
