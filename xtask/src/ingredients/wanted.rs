//! The lists of packages: image/packages.toml, of which the card is made, and tests/wifi/packages.toml, of which the Wi-Fi
//! lab's helper is.

use super::apt::{Apt, Archive, Record};
use super::sources::Mirror;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::fs;

/// One package of the list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Binary package, perhaps a meta package.
    pub name: String,
    /// Such as `trixie`; its -security and -updates suites belong to it.
    pub suite: String,
    /// Component of the archive.
    pub component: String,
    /// For a meta package: how the name of the real one starts.
    pub real: Option<String>,
    /// Substrings of file patterns: the paragraphs of the copyright file that matter. Empty: all.
    #[serde(default)]
    pub copyright: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    package: Vec<Wanted>,
}

/// Reads a list; the path is relative to the top of the source tree.
pub fn read(path: &str) -> Result<Vec<Wanted>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    Ok(toml::from_str::<List>(&text).with_context(|| format!("understanding {path}"))?.package)
}

/// The archives that hold the list's packages.
pub fn archives(list: &[Wanted], mirror: &Mirror) -> Vec<Archive> {
    let mut suites: Vec<&str> = list.iter().map(|wanted| wanted.suite.as_str()).collect();
    suites.sort_unstable();
    suites.dedup();
    suites.into_iter().flat_map(|suite| of_suite(list, suite, mirror)).collect()
}

fn of_suite(list: &[Wanted], suite: &str, mirror: &Mirror) -> Vec<Archive> {
    let mut components: Vec<String> =
        list.iter().filter(|wanted| wanted.suite == suite).map(|wanted| wanted.component.clone()).collect();
    components.sort_unstable();
    components.dedup();
    let archive = |uri: &str, suite: String, optional| Archive {
        uri: uri.to_owned(),
        suite,
        components: components.clone(),
        optional,
    };
    let mut archives = vec![archive(&mirror.main, suite.to_owned(), false)];
    if suite != "sid" {
        archives.push(archive(&mirror.main, format!("{suite}-updates"), true));
        archives.extend(mirror.security.as_ref().map(|uri| archive(uri, format!("{suite}-security"), true)));
    }
    archives
}

/// The newest version of a package in its suite, and for a meta package the real one.
pub fn newest(apt: &Apt, wanted: &Wanted) -> Result<Record> {
    let found = newest_of(apt, &wanted.name, &wanted.suite)?;
    let Some(start) = &wanted.real else { return Ok(found) };
    let real = found.depends.iter().find(|name| name.starts_with(start.as_str()));
    let real = real.with_context(|| format!("{} {} depends on no {start}*", found.name, found.version))?;
    let real = newest_of(apt, real, &wanted.suite)?;
    ensure!(real.version == found.version, "{} and {} differ in their version; try again later", found.name, real.name);
    Ok(real)
}

fn newest_of(apt: &Apt, name: &str, suite: &str) -> Result<Record> {
    let belongs = |found: &str| found == suite || found.strip_prefix(suite).is_some_and(|rest| rest.starts_with('-'));
    let versions = apt.versions(name)?;
    versions
        .into_iter()
        .find(|record| belongs(&record.suite))
        .with_context(|| format!("the mirror has no package {name} in the suite {suite}"))
}
