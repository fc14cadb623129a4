//! `cargo xtask import`: a `gateway.toml` out of the files of a set-up by hand (dnsmasq, netplan, hosts, iptables).
//!
//! ```text
//!  files ── dnsmasq.rs, netplan.rs, hosts.rs, iptables.rs ──► Draft ── render.rs ──► gateway.toml on stdout
//!                                       └──► Ledger: what became of each line ──► the rest, on stderr and in the file
//! ```
//! Nothing is dropped in silence: each directive is taken over, or the gateway does so anyway, or it is listed with its
//! line and what to do about it, or with the difference where ours means something else.

mod dnsmasq;
mod draft;
mod hosts;
mod iptables;
mod ledger;
mod netplan;
mod options;
mod render;
#[cfg(test)]
mod tests;

use crate::check_config::as_typed;
use anyhow::{Context, Result, ensure};
use draft::Draft;
use gatepost_core::config;
use ledger::Ledger;
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes: far more than anybody wrote by hand.
const MAX_FILE: u64 = 4 << 20;

/// What the command line may say. Each option may be given several times.
#[derive(clap::Args, Default)]
pub struct Args {
    /// A configuration file of dnsmasq
    #[arg(long, value_name = "FILE")]
    dnsmasq: Vec<PathBuf>,
    /// A file of netplan
    #[arg(long, value_name = "FILE")]
    netplan: Vec<PathBuf>,
    /// A hosts file, such as /etc/hosts
    #[arg(long, value_name = "FILE")]
    hosts: Vec<PathBuf>,
    /// Rules as `iptables-save` prints them or as they were typed
    #[arg(long, value_name = "FILE")]
    iptables: Vec<PathBuf>,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<()> {
    let Args { dnsmasq, netplan, hosts, iptables } = args;
    // The interfaces first: what dnsmasq tells its clients is often the gateway's own address.
    let kinds = [(Kind::Netplan, netplan), (Kind::Dnsmasq, dnsmasq), (Kind::Hosts, hosts), (Kind::Iptables, iptables)];
    let mut files = Vec::new();
    for (kind, paths) in kinds {
        for path in paths {
            files.push((kind, name_of(&path), read(&path)?));
        }
    }
    ensure!(!files.is_empty(), "name at least one file: --dnsmasq, --netplan, --hosts, --iptables");
    let imported = import(&files);
    print!("{}", imported.toml);
    eprint!("{}", imported.report);
    Ok(())
}

#[derive(Clone, Copy)]
enum Kind {
    Dnsmasq,
    Netplan,
    Hosts,
    Iptables,
}

/// The result: the file to write, and what a person must know besides.
struct Imported {
    toml: String,
    report: String,
    /// What became of each directive.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests count it"))]
    ledger: Ledger,
}

/// Reads files given as kind, name and text.
fn import(files: &[(Kind, String, String)]) -> Imported {
    let (mut draft, mut ledger) = (Draft::default(), Ledger::default());
    for (kind, name, text) in files {
        ledger.open(name);
        match kind {
            Kind::Dnsmasq => dnsmasq::read(text, &mut draft, &mut ledger),
            Kind::Netplan => netplan::read(text, &mut draft, &mut ledger),
            Kind::Hosts => hosts::read(text, &mut draft, &mut ledger),
            Kind::Iptables => iptables::read(text, &mut draft, &mut ledger),
        }
    }
    draft.settle(&mut ledger);
    let mut toml = render::render(&draft);
    toml += &ledger.comments();
    let mut report = ledger.report();
    if let Err(problems) = config::parse(toml.as_bytes()) {
        report += "\nThe gateway would not take the result as it is. Mend this in it:\n";
        for problem in problems.list() {
            report += &format!("  {}\n", problem.in_file("gateway.toml"));
        }
    }
    Imported { toml, report, ledger }
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn read(path: &Path) -> Result<String> {
    let path = as_typed(path);
    let shown = path.display();
    let length = std::fs::metadata(&path).with_context(|| format!("cannot read {shown}"))?.len();
    ensure!(length <= MAX_FILE, "{shown} is larger than {} MiB: is it the right file?", MAX_FILE >> 20);
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {shown}"))?;
    String::from_utf8(bytes).ok().with_context(|| format!("{shown} is not text"))
}
