//! Unpacks .deb files in memory, without dpkg: deb(5) is an ar archive with a compressed tar in it.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// What lies at a path of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A regular file.
    File(Vec<u8>),
    /// A symbolic link and its target, as written.
    Symlink(String),
}

/// Files of a package by path, without leading `./`.
pub type Files = BTreeMap<String, Content>;

/// The files whose path `keep` accepts.
pub fn unpack(path: &Path, keep: impl Fn(&str) -> bool) -> Result<Files> {
    let mut files = Files::new();
    each(path, |entry_path, entry| {
        if keep(entry_path) {
            let content = match entry.header().entry_type() {
                tar::EntryType::Symlink => Content::Symlink(link(entry)?),
                tar::EntryType::Link => bail!("{entry_path} is a hard link: not expected in these packages"),
                kind if kind.is_file() => Content::File(read(entry)?),
                _ => return Ok(()),
            };
            files.insert(entry_path.to_owned(), content);
        }
        Ok(())
    })?;
    Ok(files)
}

/// Unpacks a package below a folder on disk, as `dpkg -x` would, without owners and without `usr/share`.
pub fn unpack_to(path: &Path, folder: &Path) -> Result<()> {
    each(path, |entry_path, entry| {
        entry.set_preserve_mtime(false);
        if !entry_path.starts_with("usr/share") {
            entry.unpack_in(folder)?;
        }
        Ok(())
    })
}

type TarEntry<'a> = tar::Entry<'a, Box<dyn Read>>;

fn each(path: &Path, mut take: impl FnMut(&str, &mut TarEntry<'_>) -> Result<()>) -> Result<()> {
    with_data(path, |data| {
        for entry in tar::Archive::new(data).entries()? {
            let mut entry = entry?;
            let entry_path = entry.path()?.to_str().context("a path in the package is not UTF-8")?.to_owned();
            let entry_path = entry_path.trim_start_matches("./").trim_end_matches('/');
            take(entry_path, &mut entry).with_context(|| format!("unpacking {entry_path}"))?;
        }
        Ok(())
    })
}

/// Calls `take` with the decompressed data archive.
fn with_data(path: &Path, take: impl FnOnce(Box<dyn Read>) -> Result<()>) -> Result<()> {
    let unpack = || {
        let mut archive = ar::Archive::new(BufReader::new(File::open(path)?));
        while let Some(entry) = archive.next_entry() {
            let mut entry = entry?;
            let name = String::from_utf8_lossy(entry.header().identifier()).into_owned();
            if !name.starts_with("data.tar") {
                continue;
            }
            let mut packed = Vec::with_capacity(usize::try_from(entry.header().size())?);
            entry.read_to_end(&mut packed)?;
            return take(decompress(&name, packed)?);
        }
        bail!("it has no data archive")
    };
    unpack().with_context(|| format!("unpacking the package {}", path.display()))
}

fn decompress(name: &str, packed: Vec<u8>) -> Result<Box<dyn Read>> {
    let packed = std::io::Cursor::new(packed);
    Ok(match name.trim_end_matches('/') {
        "data.tar.xz" => Box::new(liblzma::read::XzDecoder::new_multi_decoder(packed)),
        "data.tar.zst" => Box::new(zstd::Decoder::new(packed)?),
        "data.tar.gz" => Box::new(flate2::read::GzDecoder::new(packed)),
        "data.tar" => Box::new(packed),
        other => bail!("{other}: a compression that this build does not know"),
    })
}

fn read(entry: &mut TarEntry<'_>) -> Result<Vec<u8>> {
    let mut data = Vec::with_capacity(usize::try_from(entry.size())?);
    entry.read_to_end(&mut data)?;
    Ok(data)
}

fn link(entry: &TarEntry<'_>) -> Result<String> {
    let target = entry.link_name()?.context("a symbolic link without target")?;
    Ok(target.to_str().context("a link target is not UTF-8")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A package with one file and one link, packed as Debian does.
    fn package(compression: &str) -> tempfile::NamedTempFile {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        header.set_mode(0o644);
        tar.append_data(&mut header.clone(), "./usr/share/doc/x/copyright", &b"hello"[..]).unwrap();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, "./usr/lib/link", "../share/doc").unwrap();
        let tar = tar.into_inner().unwrap();
        let data = match compression {
            ".xz" => {
                let mut packed = Vec::new();
                liblzma::read::XzEncoder::new(&tar[..], 1).read_to_end(&mut packed).unwrap();
                packed
            }
            ".zst" => zstd::encode_all(&tar[..], 1).unwrap(),
            _ => tar,
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut ar = ar::Builder::new(file.reopen().unwrap());
        for (name, bytes) in [("debian-binary", &b"2.0\n"[..]), (&format!("data.tar{compression}"), &data)] {
            ar.append(&ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64), bytes).unwrap();
        }
        file
    }

    #[test]
    fn files_and_links_come_out_of_every_compression() {
        for compression in ["", ".xz", ".zst"] {
            let package = package(compression);
            let files = unpack(package.path(), |_| true).unwrap();
            assert_eq!(files.len(), 2, "{compression}");
            assert_eq!(files["usr/share/doc/x/copyright"], Content::File(b"hello".to_vec()));
            assert_eq!(files["usr/lib/link"], Content::Symlink("../share/doc".to_owned()));
            assert_eq!(unpack(package.path(), |path| path.ends_with("link")).unwrap().len(), 1);
        }
    }

    #[test]
    fn an_unknown_compression_is_named() {
        let error = format!("{:#}", unpack(package(".lzma").path(), |_| true).unwrap_err());
        assert!(error.contains("data.tar.lzma"), "{error}");
    }

    #[test]
    fn what_is_no_package_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "not an archive at all").unwrap();
        assert!(unpack(file.path(), |_| true).is_err());
    }
}
