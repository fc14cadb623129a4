//! How many leases a second the gateway, dnsmasq and Kea give out, and what each costs.
//!
//! One namespace holds the server, another perfdhcp (Debian's kea-admin), which plays ever new clients through the whole
//! exchange of four messages. Each trial starts a server with an empty store on the same file system; the servers
//! take turns in one run and run on the same processor, perfdhcp on the other. A rate counts if not one exchange of the
//! trial was lost. Of our leases each is on the disk before its ACK leaves; dnsmasq and Kea promise no such thing.

mod servers;
mod trial;

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::Uid;
use servers::{ALL, Server};
use std::path::PathBuf;
use std::process::Command;
use trial::{Bed, Outcome};

/// The rate at which nothing of ours may be lost, in leases a second.
const STEADY: u32 = 5000;

/// Rates beyond this are not tried: perfdhcp itself does not reach it.
const HIGHEST: u32 = 40_000;

/// The first rate of the search.
const LOWEST: u32 = 50;

/// How close the search comes: the highest rate that was lossless and the lowest that was not differ by this factor.
const CLOSE: f64 = 1.12;

/// The steps of a search, at most.
const STEPS: usize = 16;

/// What the command line may say.
#[derive(clap::Args)]
pub struct Args {
    /// The gateway's program; built in release mode if not given
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Seconds of each trial
    #[arg(long, default_value_t = 2)]
    seconds: u32,
    /// Where the servers keep their leases: a folder on a real disk
    #[arg(long, default_value = "target")]
    state: PathBuf,
    /// Fail if a bar is missed: 10 times dnsmasq's rate, 3 times Kea's, a third of Kea's processor time, nothing lost at 5000 a second
    #[arg(long)]
    strict: bool,
}

/// What was found of one server.
struct Found {
    server: Server,
    /// The best lossless trial.
    best: Option<Outcome>,
    /// The trial at the common rate.
    common: Option<Outcome>,
    /// Whether perfdhcp ended the search, and not the server.
    limited: bool,
}

/// Runs the measurement and prints its table.
pub fn run(args: &Args) -> Result<()> {
    ensure!(Uid::effective().is_root(), "network namespaces need root");
    install()?;
    let binary = match &args.binary {
        Some(binary) => binary.clone(),
        None => build()?,
    };
    let bed = Bed::new(binary, &args.state, args.seconds)?;
    let mut found = Vec::new();
    for server in ALL {
        eprintln!("{}:", server.name());
        found.push(search(&bed, server)?);
    }
    // What a lease costs depends on the rate, since work is done in batches; so all are compared at one that all manage.
    let common = found.iter().filter_map(|found| Some(found.best.as_ref()?.rate)).fold(f64::MAX, f64::min);
    let common = (common * 0.9) as u32;
    for found in &mut found {
        found.common = bed.trial(found.server, common).map(Some)?;
    }
    let steady = lossless(&bed, Server::Gateway, STEADY)?;
    report(&found, common, &steady, args)
}

/// Doubles the rate until something is lost, then closes in.
fn search(bed: &Bed, server: Server) -> Result<Found> {
    let (mut good, mut bad): (u32, Option<u32>) = (0, None);
    let (mut best, mut limited) = (None::<Outcome>, false);
    let mut rate = LOWEST;
    for _ in 0..STEPS {
        let outcome = lossless(bed, server, rate)?;
        eprintln!("  {rate:>6} a second: {outcome}");
        if outcome.is_lossless() {
            good = rate;
            if best.as_ref().is_none_or(|best| outcome.rate > best.rate) {
                best = Some(outcome);
            }
        } else {
            // Nothing was lost but the rate was not reached: perfdhcp can't send faster.
            if outcome.lost == 0 && outcome.rate > 0.0 {
                limited = true;
                if best.as_ref().is_none_or(|best| outcome.rate > best.rate) {
                    best = Some(outcome);
                }
            }
            bad = Some(rate);
        }
        rate = match bad {
            Some(bad) if f64::from(bad) < f64::from(good.max(1)) * CLOSE || bad <= LOWEST => break,
            Some(bad) => good.midpoint(bad),
            None if rate >= HIGHEST => break,
            None => (rate * 2).min(HIGHEST),
        };
    }
    Ok(Found { server, best, common: None, limited })
}

/// A trial, and a second one if something was lost: this machine may have had other things to do.
fn lossless(bed: &Bed, server: Server, rate: u32) -> Result<Outcome> {
    let first = bed.trial(server, rate)?;
    if first.is_lossless() { Ok(first) } else { bed.trial(server, rate) }
}

fn report(found: &[Found], common: u32, steady: &Outcome, args: &Args) -> Result<()> {
    let of = |server: Server| found.iter().find(|found| found.server == server).context("all were measured");
    let (ours, dnsmasq, kea) = (of(Server::Gateway)?, of(Server::Dnsmasq)?, of(Server::Kea)?);
    let rate = |found: &Found| found.best.as_ref().map_or(0.0, |best| best.rate);
    let cost = |found: &Found| found.common.as_ref().map_or(f64::NAN, Outcome::micros_per_lease);
    println!("New leases of four messages each, nothing lost; {} s a trial.", args.seconds);
    println!("server        leases/s   CPU us/lease   at {common}/s   CPU at the highest rate");
    for found in found {
        let best = found.best.as_ref();
        println!(
            "{:<12}{:>10.0}{:>15.1}{:>23.1} us   {}",
            found.server.name(),
            rate(found),
            cost(found),
            best.map_or(f64::NAN, Outcome::micros_per_lease),
            if found.limited { "(perfdhcp's own limit, not the server's)" } else { "" }
        );
    }
    let (to_dnsmasq, to_kea) = (rate(ours) / rate(dnsmasq), rate(ours) / rate(kea));
    let cpu = cost(ours) / cost(kea);
    println!("rate over dnsmasq's {to_dnsmasq:.1} (bar 10), over Kea's {to_kea:.2} (bar 3); CPU a lease over Kea's {cpu:.2} (bar 0.33)");
    println!("gateway at {STEADY} a second: {steady}");
    println!("{}", servers::versions()?);
    println!(
        "bench=dhcp gateway_rate={:.0} dnsmasq_rate={:.0} kea_rate={:.0} rate_over_dnsmasq={to_dnsmasq:.2} rate_over_kea={to_kea:.2} \
         common_rate={common} gateway_us={:.1} dnsmasq_us={:.1} kea_us={:.1} cpu_over_kea={cpu:.3} lost_at_{STEADY}={} generator_limited={}",
        rate(ours), rate(dnsmasq), rate(kea), cost(ours), cost(dnsmasq), cost(kea), steady.lost, ours.limited
    );
    let missed = to_dnsmasq < 10.0 || to_kea < 3.0 || cpu > 1.0 / 3.0 || !steady.is_lossless();
    if args.strict && missed {
        bail!("a bar was missed");
    }
    Ok(())
}

/// Debian's perfdhcp, Kea and dnsmasq.
fn install() -> Result<()> {
    let packages = ["kea-admin", "kea-dhcp4-server", "dnsmasq-base", "util-linux"];
    let programs = ["/usr/sbin/perfdhcp", "/usr/sbin/kea-dhcp4", "/usr/sbin/dnsmasq", "/usr/bin/taskset"];
    if programs.iter().all(|program| PathBuf::from(program).exists()) {
        return Ok(());
    }
    let mut apt = Command::new("apt-get");
    apt.args(["install", "--yes", "-qq", "--no-install-recommends"]).args(packages).env("DEBIAN_FRONTEND", "noninteractive");
    ensure!(apt.status()?.success(), "`apt-get install {}` failed", packages.join(" "));
    Ok(())
}

/// The gateway as it is on a card, for this machine.
fn build() -> Result<PathBuf> {
    let status = Command::new(env!("CARGO")).args(["build", "--release", "--package", "init"]).status()?;
    ensure!(status.success(), "`cargo build --release --package init` failed");
    Ok("target/release/gatepost".into())
}
