//! Folders of the user's files on their way from p1 to the gateway: copied, none of their bytes looked at.
//!
//! They go to file systems in memory that only root can write: the gateway could otherwise put a link in their place. That
//! is done once, in a child, after the gateway has come up, and only for folders that p1 has: it costs as much memory as the
//! files are long.

use super::disk::Disk;
use super::mounts::Mount;
use super::selector::{self, Access};
use super::{block_lists, netboot};
use gatepost_core::card;
use gatepost_core::modules::Index;
use std::fs::File;
use std::io;
use std::path::Path;

/// One of them.
pub struct Folder {
    /// What its files are, in a sentence for the user.
    pub what: &'static str,
    /// Its name on p1.
    pub name: &'static str,
    /// Where the gateway reads the copies.
    pub copies: Mount,
    /// Copies the files from the first folder into the second.
    pub copy: fn(&Path, &Path) -> io::Result<()>,
}

impl Folder {
    /// Whether p1, mounted there, has it.
    pub fn is_in(&self, selector: &Path) -> bool {
        selector.join(self.name).is_dir()
    }

    /// Makes the empty folder, before the gateway starts, which else would not be let in.
    ///
    /// # Errors
    /// That of mount(2).
    pub fn prepare(&self) -> nix::Result<()> {
        self.copies.mount()
    }

    /// Copies the files, and says that there are no more to come, whatever happens.
    ///
    /// # Errors
    /// If p1 cannot be mounted, a file not be copied, or there are too many.
    pub fn fetch(&self, disk: &Disk, index: &Index) -> anyhow::Result<()> {
        let to = Path::new(self.copies.target);
        let copied =
            selector::with(disk, index, selector::POINT, Access::Read, |p1| Ok((self.copy)(&p1.join(self.name), to)?));
        File::create(to.join(card::HANDED_OVER))?;
        copied
    }
}

/// All of them.
pub const FOLDERS: [&Folder; 2] = [&block_lists::FOLDER, &netboot::FOLDER];
