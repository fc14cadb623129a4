//! Questions about a [`Tree`] that every maker asks.

use crate::tree::{Node, Tree};
use anyhow::Context;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every directory of a tree, the named ones and the parents of everything; a parent stands before what is in it.
pub fn directories(tree: &Tree) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, node) in tree.iter() {
        if *node == Node::Directory {
            found.insert(path.to_string());
        }
        for (at, _) in path.match_indices('/') {
            found.insert(path[..at].to_string());
        }
    }
    found
}

/// Bytes of content.
pub fn size(node: &Node) -> u64 {
    match node {
        Node::File { data, .. } => data.len() as u64,
        Node::Symlink(_) | Node::Directory => 0,
    }
}

/// Bytes of content of a whole tree.
pub fn total(tree: &Tree) -> u64 {
    tree.iter().map(|(_, node)| size(node)).sum()
}

/// Reads a folder of `overlays/`. A `README.md` explains the folder to us and stays at home.
pub fn load(folder: &Path) -> anyhow::Result<Tree> {
    let mut tree = Tree::new();
    load_into(folder, "", &mut tree)?;
    Ok(tree)
}

fn load_into(folder: &Path, prefix: &str, tree: &mut Tree) -> anyhow::Result<()> {
    let shown = || format!("can't read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(shown)? {
        let entry = entry.with_context(shown)?;
        let name =
            entry.file_name().into_string().ok().with_context(|| format!("{}: not UTF-8", entry.path().display()))?;
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if kind.is_dir() {
            load_into(&entry.path(), &format!("{path}/"), tree)?;
        } else if kind.is_symlink() {
            tree.symlink(path, fs::read_link(entry.path())?.to_string_lossy());
        } else if name != "README.md" {
            tree.file(path, fs::read(entry.path()).with_context(|| format!("can't read {}", entry.path().display()))?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_first_and_once() {
        let mut tree = Tree::new();
        tree.file("a/b/c", &b""[..]).file("a/d", &b""[..]).directory("e");
        assert_eq!(directories(&tree).into_iter().collect::<Vec<_>>(), ["a", "a/b", "e"]);
    }

    #[test]
    fn a_folder_becomes_a_tree_without_its_readme() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        fs::write(folder.path().join("etc/motd"), "hello").unwrap();
        fs::write(folder.path().join("README.md"), "for us").unwrap();
        let tree = load(folder.path()).unwrap();
        assert_eq!(tree.iter().map(|(path, _)| path).collect::<Vec<_>>(), ["etc/motd"]);
        assert_eq!(total(&tree), 5);
    }
}
