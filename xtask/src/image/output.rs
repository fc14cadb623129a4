//! The files that a build leaves: always new ones, so that neither mode nor content of an older build shines through.

use anyhow::Context;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Who may read what a build leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever the user's umask lets.
    Everyone,
    /// The user alone: a configuration is inside, and a passphrase may stand in it.
    Owner,
}

/// A new, empty file, in place of an older one.
pub fn create(path: &Path, access: Access) -> anyhow::Result<File> {
    let mode = match access {
        Access::Everyone => 0o666,
        Access::Owner => 0o600,
    };
    // Emptying the old file would keep its mode, and leave it to whoever has it open.
    let removed = match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    let create = || OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path);
    removed.and_then(|()| create()).with_context(|| format!("can't create {}", path.display()))
}

/// A new file with this text.
pub fn write(path: &Path, text: &str, access: Access) -> anyhow::Result<()> {
    create(path, access)?.write_all(text.as_bytes()).with_context(|| format!("can't write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_private_file_is_private_where_an_open_one_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gatepost.img");
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        write(&path, "starter", Access::Everyone).unwrap();
        let before = mode();
        let mut old = File::open(&path).unwrap();
        write(&path, "secret", Access::Owner).unwrap();
        assert_eq!(mode(), 0o600);
        assert_eq!(std::io::read_to_string(&mut old).unwrap(), "starter");
        write(&path, "starter", Access::Everyone).unwrap();
        assert_eq!(mode(), before);
    }
}
