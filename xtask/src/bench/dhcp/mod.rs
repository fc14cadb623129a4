//! How many leases a second the gateway, dnsmasq and Kea give out, and what each costs.
//!
//! One namespace holds the server, another perfdhcp (Debian's kea-admin), which plays ever new clients through the whole
//! exchange of four messages, by way of a relay's address. Each trial starts a server with an empty store on one file
//! system; all servers run on one processor, perfdhcp on another, and one server after the other is measured in one run.
//! A rate counts if not one exchange was lost; a trial that lost some is repeated once, since this machine may have had
//! other things to do, and both are printed. All stand behind the packet filter that the gateway leaves in the kernel. Our leases are on the disk before their ACKs leave (fdatasync, one for those
//! that came together); dnsmasq writes its whole lease file anew and Kea a line for each lease, neither with a sync.

mod servers;
mod trial;

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::Uid;
use servers::{ALL, Server};
use std::path::{Path, PathBuf};
use std::process::Command;
use trial::{Bed, CORES, Outcome};

/// The rate at which nothing of ours may be lost, in leases a second.
const STEADY: u32 = 5000;

/// How often that is tried.
const STEADY_TRIALS: usize = 3;

/// Rates of the search, in leases a second. perfdhcp reaches the highest on no machine that was tried.
const RATES: (u32, u32) = (64, 65_536);

/// How close the search comes: the highest rate that was lossless and the lowest that was not differ by this factor.
const CLOSE: f64 = 1.1;

/// Of the exchanges at the common rate so many may be lost: a few do not change what one costs.
const COMMON_LOSS: f64 = 0.01;

/// The bars: rate over dnsmasq's and Kea's at least, processor time a lease over Kea's at most.
const BARS: (f64, f64, f64) = (10.0, 3.0, 1.0 / 3.0);

/// What the command line may say.
#[derive(clap::Args)]
pub struct Args {
    /// The gateway's program; built in release mode if not given
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Seconds of each trial
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=30))]
    seconds: u32,
    /// Where the servers keep their leases: a folder on a real disk
    #[arg(long, default_value = "target")]
    state: PathBuf,
    /// Fail unless every bar holds
    #[arg(long)]
    strict: bool,
}

/// What was found of one server.
struct Found {
    server: Server,
    /// The lossless trial with the highest rate.
    best: Outcome,
    /// perfdhcp could not send faster: the server might have done more.
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
    let bed = Bed::new(&binary, &args.state)?;
    println!("the gateway for a moment: its packet filter stays in the kernel, for all:");
    tried(&bed, Server::Gateway, RATES.0, 1)?;
    let found = ALL.into_iter().map(|server| search(&bed, server, args.seconds)).collect::<Result<Vec<_>>>()?;
    let (common, costs) = compare(&bed, &found, args.seconds)?;
    println!("gateway at {STEADY} a second, {STEADY_TRIALS} trials:");
    let steady = (0..STEADY_TRIALS).map(|_| tried(&bed, Server::Gateway, STEADY, args.seconds));
    let steady = steady.collect::<Result<Vec<_>>>()?;
    report(&found, common, &costs, &steady, &bed, args)
}

/// Doubles the rate until something is lost, then closes in.
fn search(bed: &Bed, server: Server, seconds: u32) -> Result<Found> {
    println!("{}:", server.name());
    let (mut good, mut bad) = (0, None);
    let mut best = None::<Outcome>;
    let mut rate = RATES.0;
    let limited = loop {
        let outcome = lossless(bed, server, rate, seconds)?;
        if outcome.is_lossless() && best.is_none_or(|best| outcome.rate > best.rate) {
            best = Some(outcome);
        }
        let limited = outcome.is_lossless() && !outcome.is_reached();
        if outcome.is_lossless() && !limited {
            good = rate;
        } else {
            bad = Some(rate);
        }
        rate = match bad {
            Some(bad) if f64::from(bad) < f64::from(good) * CLOSE || bad <= RATES.0 => break limited,
            Some(bad) => good.midpoint(bad),
            None if rate >= RATES.1 => break limited,
            None => rate * 2,
        };
    };
    let best = best.with_context(|| format!("{} lost something even at {} a second", server.name(), RATES.0))?;
    Ok(Found { server, best, limited })
}

/// A trial, printed.
fn tried(bed: &Bed, server: Server, rate: u32, seconds: u32) -> Result<Outcome> {
    let outcome = bed.trial(server, rate, seconds)?;
    println!("  {rate:>6} wanted: {outcome}");
    Ok(outcome)
}

/// A trial, and a second one if something was lost.
fn lossless(bed: &Bed, server: Server, rate: u32, seconds: u32) -> Result<Outcome> {
    let first = tried(bed, server, rate, seconds)?;
    if first.is_lossless() { Ok(first) } else { tried(bed, server, rate, seconds) }
}

/// What a lease costs at one rate that Kea and the gateway both manage: work is done in batches, so it depends on the
/// rate. dnsmasq, which manages far less, is not asked.
fn compare(bed: &Bed, found: &[Found], seconds: u32) -> Result<(u32, [f64; 2])> {
    let both = [Server::Gateway, Server::Kea];
    let rates = found.iter().filter(|found| both.contains(&found.server)).map(|found| found.best.rate);
    let mut common = rates.fold(f64::MAX, f64::min) * 0.95;
    for _ in 0..4 {
        let rate = common as u32;
        println!("both at {rate} a second, {:.0} in 100 may be lost:", COMMON_LOSS * 100.0);
        let outcomes = [lossless(bed, both[0], rate, seconds)?, lossless(bed, both[1], rate, seconds)?];
        if outcomes.iter().all(|outcome| outcome.is_reached() && outcome.share_lost() <= COMMON_LOSS) {
            return Ok((rate, outcomes.map(|outcome| outcome.micros_per_lease())));
        }
        common *= 0.85;
    }
    bail!("there is no rate at which gateway and Kea both lose next to nothing: is this machine busy?")
}

fn report(found: &[Found], common: u32, costs: &[f64; 2], steady: &[Outcome], bed: &Bed, args: &Args) -> Result<()> {
    let best = |server: Server| found.iter().find(|found| found.server == server).context("all were measured");
    let (ours, dnsmasq, kea) = (best(Server::Gateway)?, best(Server::Dnsmasq)?, best(Server::Kea)?);
    println!("\nNew leases of four messages, nothing lost, {} s a trial:", args.seconds);
    println!("{:<10}{:>12}{:>26}", "server", "leases/s", "processor us/lease there");
    for Found { server, best, limited } in found {
        let limit = if *limited { "  (perfdhcp sent no more)" } else { "" };
        println!("{:<10}{:>12.0}{:>26.1}{limit}", server.name(), best.rate, best.micros_per_lease());
    }
    let (to_dnsmasq, to_kea) = (ours.best.rate / dnsmasq.best.rate, ours.best.rate / kea.best.rate);
    let [ours_us, kea_us] = costs;
    let cpu = ours_us / kea_us;
    let cpu_at_best = ours.best.micros_per_lease() / kea.best.micros_per_lease();
    let lost: Vec<u64> = steady.iter().map(|outcome| outcome.lost).collect();
    println!(
        "leases a second over dnsmasq's {to_dnsmasq:.1} (bar: {} or more), over Kea's {to_kea:.2} (bar: {})",
        BARS.0, BARS.1
    );
    println!(
        "processor time a lease over Kea's, both at {common} a second: {ours_us:.1} us / {kea_us:.1} us = {cpu:.3} \
         (bar: {:.3} or less); each at its own highest rate: {cpu_at_best:.3}",
        BARS.2
    );
    println!("gateway at {STEADY} a second: lost {lost:?} (bar: none)");
    println!("{}", servers::settings());
    println!("leases on {}, servers on processor {}, perfdhcp on {}", bed.file_system()?, CORES.0, CORES.1);
    println!("{}", servers::versions()?);
    println!(
        "bench=dhcp gateway_rate={:.0} dnsmasq_rate={:.0} kea_rate={:.0} rate_over_dnsmasq={to_dnsmasq:.2} \
         rate_over_kea={to_kea:.3} common_rate={common} gateway_us={ours_us:.1} kea_us={kea_us:.1} cpu_over_kea={cpu:.3} \
         cpu_over_kea_at_best={cpu_at_best:.3} lost_at_{STEADY}={} generator_limited={}",
        ours.best.rate,
        dnsmasq.best.rate,
        kea.best.rate,
        lost.iter().sum::<u64>(),
        ours.limited
    );
    let steady = steady.iter().all(|outcome| outcome.is_lossless() && outcome.is_reached());
    let held = to_dnsmasq >= BARS.0 && to_kea >= BARS.1 && cpu <= BARS.2 && steady;
    ensure!(held || !args.strict, "a bar was missed");
    Ok(())
}

/// Debian's perfdhcp, Kea and dnsmasq.
fn install() -> Result<()> {
    let packages = ["kea-admin", "kea-dhcp4-server", "dnsmasq-base", "util-linux"];
    let programs = ["/usr/sbin/perfdhcp", "/usr/sbin/kea-dhcp4", "/usr/sbin/dnsmasq", "/usr/bin/taskset"];
    if programs.iter().all(|program| Path::new(program).exists()) {
        return Ok(());
    }
    let mut apt = Command::new("apt-get");
    apt.args(["install", "--yes", "-qq", "--no-install-recommends"]).args(packages);
    ensure!(
        apt.env("DEBIAN_FRONTEND", "noninteractive").status()?.success(),
        "`apt-get install {}` failed; `apt-get update` may help",
        packages.join(" ")
    );
    Ok(())
}

/// The gateway as it is on a card, for this machine.
fn build() -> Result<PathBuf> {
    let status = Command::new(env!("CARGO")).args(["build", "--release", "--package", "init"]).status()?;
    ensure!(status.success(), "`cargo build --release --package init` failed");
    Ok("target/release/gatepost".into())
}
