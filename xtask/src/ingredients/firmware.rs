//! image/firmware.toml: files that go from the packages onto the card as they are.

use super::deb::{Content, Files};
use crate::tree::{Node, Tree};
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::fs;

/// The list, relative to the top of the source tree.
const LIST: &str = "image/firmware.toml";

/// image/firmware.toml.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    take: Vec<Take>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Take {
    /// For the reader.
    #[allow(dead_code)]
    reason: String,
    package: String,
    from: String,
    to: Place,
    #[serde(default)]
    folder: String,
    files: Vec<Name>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Place {
    Boot,
    DeviceTrees,
    Root,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Same(String),
    Renamed { from: String, to: String },
}

impl Name {
    fn names(&self) -> (&str, &str) {
        match self {
            Self::Same(name) => (name, name),
            Self::Renamed { from, to } => (from, to),
        }
    }
}

/// The trees that the list fills.
#[derive(Default)]
pub struct Trees {
    /// For the FAT boot partitions.
    pub boot: Tree,
    /// Beside the kernel.
    pub device_trees: Tree,
    /// For the root file system.
    pub root: Tree,
}

impl List {
    /// Reads the list; `{release}` becomes the kernel's release.
    pub fn read(release: &str) -> Result<Self> {
        let text = fs::read_to_string(LIST).with_context(|| format!("reading {LIST}"))?;
        Self::parse(&text, release).with_context(|| format!("understanding {LIST}"))
    }

    fn parse(text: &str, release: &str) -> Result<Self> {
        let mut list: Self = toml::from_str(text)?;
        for take in &mut list.take {
            take.from = take.from.replace("{release}", release);
        }
        Ok(list)
    }

    /// Whether a file of a package is one that the list takes.
    pub fn keeps(&self, package: &str, path: &str) -> bool {
        let Some((folder, file)) = path.rsplit_once('/') else { return false };
        let takes = self.take.iter().filter(|take| take.package == package && take.from == folder);
        takes.flat_map(|take| &take.files).any(|name| name.names().0 == file)
    }

    /// Lays the files out. `files` gives the unpacked files of a package.
    pub fn lay_out<'a>(&self, files: impl Fn(&str) -> Option<&'a Files>) -> Result<Trees> {
        let mut trees = Trees::default();
        for take in &self.take {
            let package = files(&take.package)
                .with_context(|| format!("{LIST} takes from {}, which is not in image/packages.toml", take.package))?;
            for (from, to) in take.files.iter().map(Name::names) {
                let path = format!("{}/{from}", take.from);
                let content = package
                    .get(&path)
                    .with_context(|| format!("the package {} no longer has {path}; see {LIST}", take.package))?;
                put(&mut trees, take, to, content)?;
            }
        }
        links_lead_somewhere(&trees.root)?;
        Ok(trees)
    }
}

fn put(trees: &mut Trees, take: &Take, name: &str, content: &Content) -> Result<()> {
    let path = if take.folder.is_empty() { name.to_owned() } else { format!("{}/{name}", take.folder) };
    let tree = match take.to {
        Place::Boot => &mut trees.boot,
        Place::DeviceTrees => &mut trees.device_trees,
        Place::Root => &mut trees.root,
    };
    match content {
        Content::File(data) => drop(tree.file(path, data.as_slice())),
        Content::Symlink(target) if take.to == Place::Root => drop(tree.symlink(path, target)),
        Content::Symlink(_) => bail!("{name} of {} is a link, which FAT does not have", take.package),
    }
    Ok(())
}

/// A link to a file that was not taken would only show on a board.
fn links_lead_somewhere(tree: &Tree) -> Result<()> {
    for (path, node) in tree.iter() {
        if let Node::Symlink(target) = node {
            let mut parts: Vec<&str> = path.split('/').collect();
            parts.pop();
            for part in target.split('/') {
                match part {
                    ".." => drop(parts.pop()),
                    "." => {}
                    _ => parts.push(part),
                }
            }
            let end = parts.join("/");
            ensure!(tree.get(&end).is_some(), "{path} links to {end}, which {LIST} does not take");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[[take]]\nreason = 'r'\npackage = 'p'\nfrom = 'lib/{release}'\nto = 'root'\nfolder = 'fw/brcm'\n\
                        files = ['a.bin', { from = 'b-debian', to = 'b' }]\n";

    fn lay_out(files: &[(&str, Content)]) -> Result<Trees> {
        let list = List::parse(TEXT, "6.1").unwrap();
        let files: Files = files.iter().map(|(path, content)| ((*path).to_owned(), content.clone())).collect();
        assert!(files.keys().all(|path| list.keeps("p", path)));
        list.lay_out(|name| (name == "p").then_some(&files))
    }

    fn file() -> Content {
        Content::File(b"x".to_vec())
    }

    #[test]
    fn files_are_renamed_and_links_kept() {
        let trees =
            lay_out(&[("lib/6.1/a.bin", Content::Symlink("../brcm/b".to_owned())), ("lib/6.1/b-debian", file())])
                .unwrap();
        assert_eq!(trees.root.get("fw/brcm/a.bin"), Some(&Node::Symlink("../brcm/b".to_owned())));
        assert!(matches!(trees.root.get("fw/brcm/b"), Some(Node::File { .. })));
    }

    #[test]
    fn a_missing_file_and_a_loose_link_are_named() {
        let error = lay_out(&[("lib/6.1/a.bin", file())]).err().unwrap().to_string();
        assert!(error.contains("lib/6.1/b-debian"), "{error}");
        let loose = Content::Symlink("nowhere".to_owned());
        let error = lay_out(&[("lib/6.1/a.bin", loose), ("lib/6.1/b-debian", file())]).err().unwrap().to_string();
        assert!(error.contains("fw/brcm/nowhere"), "{error}");
    }
}
