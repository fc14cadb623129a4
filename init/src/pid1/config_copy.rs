//! The user's `gateway.toml` on its way from p1 to the gateway, and the gateway's complaints on their way back to p1.

use super::disk::Disk;
use super::files;
use super::handover::{FOLDERS, Folder};
use super::selector::{self, Access};
use gatepost_core::card;
use gatepost_core::modules::Index;
use std::io;
use std::path::Path;

/// The copy that the gateway reads.
pub const COPY: &str = "/run/gatepost/gateway.toml";
/// What the gateway has to say about it; empty or absent if nothing.
pub const ERRORS: &str = "/run/gatepost/gateway.errors.txt";
/// Longest report put on p1: some hundred complaints.
const MAX_ERRORS_BYTES: usize = 64 * 1024;

/// What was found on p1.
pub struct Found {
    /// There is a configuration.
    pub config: bool,
    /// The folders that are there to be handed over.
    pub folders: Vec<&'static Folder>,
    /// The complaints that stand there since an earlier start; `None` for no file.
    pub errors: Option<Vec<u8>>,
}

/// Copies the configuration. The copy is one byte longer than allowed if the original is too large, so that the
/// gateway can tell.
///
/// # Errors
/// If p1 cannot be mounted or the copy not be written.
pub fn fetch(disk: &Disk, index: &Index) -> anyhow::Result<Found> {
    selector::with(disk, index, selector::POINT, Access::Read, |folder| {
        let config = absent(files::read_bounded(&folder.join(card::CONFIG_FILE), card::CONFIG_FILE_MAX_BYTES + 1))?;
        if let Some(config) = &config {
            std::fs::write(COPY, config)?;
        }
        let errors = absent(files::read_bounded(&folder.join(card::ERRORS_FILE), MAX_ERRORS_BYTES)).unwrap_or(None);
        let folders = FOLDERS.into_iter().filter(|one| one.is_in(folder)).collect();
        Ok(Found { config: config.is_some(), folders, errors })
    })
}

/// The gateway's complaints now; `None` if it has none.
pub fn complaints() -> Option<Vec<u8>> {
    files::read_untrusted(Path::new(ERRORS), MAX_ERRORS_BYTES).ok().filter(|errors| !errors.is_empty())
}

/// Puts `errors` beside the user's file, or takes an old report away.
///
/// # Errors
/// If p1 cannot be mounted or written.
pub fn mirror(disk: &Disk, index: &Index, errors: Option<&[u8]>) -> anyhow::Result<()> {
    selector::with(disk, index, selector::POINT, Access::Write, |folder| {
        let path = folder.join(card::ERRORS_FILE);
        match errors {
            Some(errors) => std::fs::write(path, errors)?,
            None => drop(absent(std::fs::remove_file(path))?),
        }
        Ok(())
    })
}

fn absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
