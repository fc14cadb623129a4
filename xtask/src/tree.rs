//! A directory tree in memory: what goes into the initramfs, the root file system and the FAT partitions. Sorted by
//! path, without owners or times, so that whatever is made from it is the same every time.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A file, a symbolic link or a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A regular file.
    File {
        /// Its content; shared, since the same kernel stands in both boot slots.
        data: Arc<[u8]>,
        /// Whether it may be executed (mode 0755, else 0644).
        executable: bool,
    },
    /// A symbolic link and its target, as written.
    Symlink(String),
    /// An empty directory. Parents of files need no entry of their own.
    Directory,
}

/// Paths without leading slash, `/` between components.
#[derive(Clone, Debug, Default)]
pub struct Tree(BTreeMap<String, Node>);

impl Tree {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a plain file; an older entry of that path is replaced.
    pub fn file(&mut self, path: impl Into<String>, data: impl Into<Arc<[u8]>>) -> &mut Self {
        self.0.insert(path.into(), Node::File { data: data.into(), executable: false });
        self
    }

    /// Adds a program.
    pub fn program(&mut self, path: impl Into<String>, data: impl Into<Arc<[u8]>>) -> &mut Self {
        self.0.insert(path.into(), Node::File { data: data.into(), executable: true });
        self
    }

    /// Adds a symbolic link.
    pub fn symlink(&mut self, path: impl Into<String>, target: impl Into<String>) -> &mut Self {
        self.0.insert(path.into(), Node::Symlink(target.into()));
        self
    }

    /// Adds an empty directory.
    pub fn directory(&mut self, path: impl Into<String>) -> &mut Self {
        self.0.insert(path.into(), Node::Directory);
        self
    }

    /// Lays another tree over this one: its entries win.
    pub fn overlay(&mut self, other: Tree) -> &mut Self {
        self.0.extend(other.0);
        self
    }

    /// The entry at a path.
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.0.get(path)
    }

    /// All entries, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.0.iter().map(|(path, node)| (path.as_str(), node))
    }
}
