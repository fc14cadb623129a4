//! Which Debian mirror the host's own apt uses, read from sources.list(5): the one-line format and deb822.
//!
//! Left out: entries that are no Debian suite (other vendors' archives), `cdrom:` and other schemes that cannot serve
//! another suite, and flat repositories.

use anyhow::{Result, bail};
use std::fs;
use std::path::Path;

/// Where Debian's archives are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The main archive: suites such as `trixie` and `trixie-updates`.
    pub main: String,
    /// The security archive: suites such as `trixie-security`. None where nobody knows one.
    pub security: Option<String>,
}

impl Mirror {
    /// The mirror that the user names, else the one that the host's apt uses.
    pub fn find(named: Option<&str>) -> Result<Self> {
        let named = named.map(str::to_owned).or_else(|| std::env::var("GATEPOST_MIRROR").ok());
        match named.filter(|url| !url.trim().is_empty()) {
            Some(url) => Ok(Self::named(url.trim())),
            None => Self::of_host(Path::new("/etc/apt")),
        }
    }

    /// A mirror given by its main archive; mirrors keep the security archive beside it under a name that ends in
    /// `-security`.
    fn named(url: &str) -> Self {
        let main = url.trim_end_matches('/').to_owned();
        Self { security: Some(beside(&main)), main }
    }

    /// The mirror in the apt configuration folder `apt`.
    fn of_host(apt: &Path) -> Result<Self> {
        let mut entries = Vec::new();
        for path in source_files(apt) {
            let Ok(text) = fs::read_to_string(&path) else { continue };
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("sources") => deb822(&text, &mut entries),
                _ => one_line(&text, &mut entries),
            }
        }
        match Self::among(&entries) {
            Some(mirror) => Ok(mirror),
            None => bail!(
                "no Debian mirror stands in {}: name one with --mirror URL or in GATEPOST_MIRROR \
                 (the URL under which dists/trixie lies)",
                apt.display()
            ),
        }
    }

    fn among(entries: &[Entry]) -> Option<Self> {
        let usable = || entries.iter().filter(|entry| entry.is_debian() && entry.can_serve());
        let main = usable().find(|entry| !entry.is_security())?.uri.clone();
        let security = usable().find(|entry| entry.is_security()).map(|entry| entry.uri.clone());
        Some(Self { security: security.or_else(|| Some(beside(&main))), main })
    }
}

/// `…/debian` becomes `…/debian-security`, also where a date follows as on archives that keep every day.
fn beside(main: &str) -> String {
    match main.rsplit_once("/debian/") {
        Some((before, after)) => format!("{before}/debian-security/{after}"),
        None => format!("{main}-security"),
    }
}

/// One archive and one suite of it.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    uri: String,
    suite: String,
}

impl Entry {
    fn is_security(&self) -> bool {
        self.suite.ends_with("-security") || self.suite.ends_with("/updates")
    }

    /// Debian's code names; every other suite belongs to somebody else's archive.
    fn is_debian(&self) -> bool {
        const SUITES: [&str; 13] = [
            "buster",
            "bullseye",
            "bookworm",
            "trixie",
            "forky",
            "duke",
            "sid",
            "oldoldstable",
            "oldstable",
            "stable",
            "testing",
            "unstable",
            "rc-buggy",
        ];
        let base = self.suite.split(['-', '/']).next().unwrap_or_default();
        SUITES.contains(&base)
    }

    fn can_serve(&self) -> bool {
        ["http:", "https:", "file:", "copy:", "mirror", "tor+"].iter().any(|scheme| self.uri.starts_with(scheme))
    }
}

/// sources.list first, then the parts in the order of their names, as apt reads them.
fn source_files(apt: &Path) -> Vec<std::path::PathBuf> {
    let mut parts: Vec<_> = fs::read_dir(apt.join("sources.list.d"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| matches!(path.extension().and_then(|e| e.to_str()), Some("list" | "sources")))
        .collect();
    parts.sort();
    parts.insert(0, apt.join("sources.list"));
    parts
}

/// `deb [option=value …] uri suite component …`
fn one_line(text: &str, entries: &mut Vec<Entry>) {
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(rest) = line.strip_prefix("deb").filter(|rest| rest.starts_with(char::is_whitespace)) else {
            continue;
        };
        let rest = rest.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']').map_or("", |(_, rest)| rest),
            None => rest,
        };
        let mut words = rest.split_whitespace();
        if let (Some(uri), Some(suite)) = (words.next(), words.next()) {
            entries.push(Entry { uri: uri.trim_end_matches('/').to_owned(), suite: suite.to_owned() });
        }
    }
}

/// Paragraphs of `Field: value` with continuation lines.
fn deb822(text: &str, entries: &mut Vec<Entry>) {
    for paragraph in super::deb822::paragraphs(text) {
        let words = |name: &str| paragraph.get(name).unwrap_or_default().split_whitespace().collect::<Vec<_>>();
        let enabled = !words("Enabled").iter().any(|word| matches!(*word, "no" | "false" | "0" | "off"));
        if !enabled || !words("Types").contains(&"deb") {
            continue;
        }
        for uri in words("URIs") {
            for suite in words("Suites") {
                entries.push(Entry { uri: uri.trim_end_matches('/').to_owned(), suite: suite.to_owned() });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirror(files: &[(&str, &str)]) -> Result<Mirror> {
        let apt = tempfile::tempdir().unwrap();
        fs::create_dir(apt.path().join("sources.list.d")).unwrap();
        for (name, text) in files {
            fs::write(apt.path().join(name), text).unwrap();
        }
        Mirror::of_host(apt.path())
    }

    fn archives(main: &str, security: &str) -> Mirror {
        Mirror { main: main.to_owned(), security: Some(security.to_owned()) }
    }

    #[test]
    fn one_line_sources() {
        let text = "# comment\n\
                    deb-src http://source.example/debian bookworm main\n\
                    deb [arch=amd64 signed-by=/a/b.gpg] http://one.example/debian/ bookworm main # tail\n\
                    deb http://sec.example/debian-security bookworm-security main\n";
        assert_eq!(
            mirror(&[("sources.list", text)]).unwrap(),
            archives("http://one.example/debian", "http://sec.example/debian-security")
        );
    }

    #[test]
    fn deb822_sources() {
        let text = "Types: deb deb-src\n\
                    # a comment between fields\n\
                    URIs: https://one.example/debian\n\
                    Suites: trixie\n trixie-updates\n\
                    Components: main\n\n\
                    Types: deb\nURIs: https://sec.example/debian-security/\nSuites: trixie-security\nComponents: main\n";
        assert_eq!(
            mirror(&[("sources.list.d/debian.sources", text)]).unwrap(),
            archives("https://one.example/debian", "https://sec.example/debian-security")
        );
    }

    #[test]
    fn what_is_off_or_foreign_is_passed_over() {
        let off = "Types: deb\nEnabled: no\nURIs: http://off.example/debian\nSuites: bookworm\nComponents: main\n";
        let foreign = "deb http://vendor.example/repo nodistro main\ndeb cdrom:[Debian 12]/ bookworm main\n\
                       deb http://ubuntu.example/ubuntu noble main\n";
        let error = mirror(&[("sources.list.d/a.sources", off), ("sources.list", foreign)]).unwrap_err().to_string();
        assert!(error.contains("--mirror") && error.contains("GATEPOST_MIRROR"), "{error}");
    }

    #[test]
    fn a_file_with_another_ending_is_not_read() {
        assert!(mirror(&[("sources.list.d/old.list.save", "deb http://x.example/debian bookworm main\n")]).is_err());
    }

    #[test]
    fn the_security_archive_is_guessed_beside_the_main_one() {
        assert_eq!(
            Mirror::named("http://m.example/debian/"),
            archives("http://m.example/debian", "http://m.example/debian-security")
        );
        assert_eq!(
            Mirror::named("http://m.example/archive/debian/20250520T000000Z"),
            archives(
                "http://m.example/archive/debian/20250520T000000Z",
                "http://m.example/archive/debian-security/20250520T000000Z"
            )
        );
    }
}
