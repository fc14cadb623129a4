//! How many leases a second the gateway, dnsmasq and Kea give out, and what each costs.
//!
//! One namespace holds the server, another perfdhcp (Debian's kea-admin), which plays ever new clients through the whole
//! exchange of four messages, by way of a relay's address. Each trial starts a server with an empty store on one file
//! system; all servers run on one processor, the clients on another, and one server after the other is measured in one run.
//! A rate counts if not one exchange was lost; a trial that lost some is repeated once, since this machine may have had
//! other things to do, and both are printed. perfdhcp on one processor sends less than a fast server answers, so the search
//! is done a second time, for every server, with clients of our own.
//!
//! All stand behind the packet filter that the gateway leaves in the kernel. Our leases are on the disk before their ACKs
//! leave (fdatasync, one for those that came together); dnsmasq writes its whole lease file anew and Kea a line for each
//! lease, neither with a sync.

mod clients;
mod servers;
mod trial;

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::Uid;
use servers::{ALL, Server};
use std::path::{Path, PathBuf};
use std::process::Command;
use trial::{Bed, CORES, Outcome, Players};

/// The rate at which nothing of ours may be lost, in leases a second.
const STEADY: u32 = 5000;

/// How often that is tried.
const STEADY_TRIALS: usize = 3;

/// Rates of the search, in leases a second.
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
    /// The clients could not come faster, or not hear all answers: the server might have done more.
    limited: bool,
}

/// What was found of all servers with one kind of clients, in the order of [`ALL`].
struct Search {
    players: Players,
    found: Vec<Found>,
}

impl Search {
    fn run(bed: &Bed, players: Players, seconds: u32) -> Result<Self> {
        let found = ALL.into_iter().map(|server| search(bed, server, players, seconds)).collect::<Result<_>>()?;
        Ok(Self { players, found })
    }

    fn best(&self, server: Server) -> Result<&Found> {
        self.found.iter().find(|found| found.server == server).context("all were measured")
    }

    /// The gateway's rate over another's.
    fn over(&self, other: Server) -> Result<f64> {
        Ok(self.best(Server::Gateway)?.best.rate / self.best(other)?.best.rate)
    }
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
    tried(&bed, Server::Gateway, Players::Perfdhcp, RATES.0, 1)?;
    let searches = [Players::Perfdhcp, Players::Own].map(|players| Search::run(&bed, players, args.seconds));
    let [perfdhcp, own] = searches;
    let (perfdhcp, own) = (perfdhcp?, own?);
    let common = compare(&bed, &perfdhcp, args.seconds)?;
    println!("gateway at {STEADY} a second, perfdhcp, {STEADY_TRIALS} trials:");
    let steady = (0..STEADY_TRIALS).map(|_| tried(&bed, Server::Gateway, Players::Perfdhcp, STEADY, args.seconds));
    let steady = steady.collect::<Result<Vec<_>>>()?;
    report(&[perfdhcp, own], common, &steady, &bed, args)
}

/// Doubles the rate until something is lost, then closes in.
fn search(bed: &Bed, server: Server, players: Players, seconds: u32) -> Result<Found> {
    println!("{}, {}:", server.name(), players.name());
    let (mut good, mut bad) = (0, None);
    let mut best = None::<Outcome>;
    let mut rate = RATES.0;
    let limited = loop {
        let outcome = lossless(bed, server, players, rate, seconds)?;
        if outcome.is_lossless() && best.is_none_or(|best| outcome.rate > best.rate) {
            best = Some(outcome);
        }
        let by_clients = if outcome.is_lossless() { !outcome.is_reached() } else { outcome.is_deaf() };
        if outcome.is_lossless() && !by_clients {
            good = rate;
        } else {
            bad = Some((rate, by_clients));
        }
        rate = match bad {
            Some((bad, by_clients)) if f64::from(bad) < f64::from(good) * CLOSE || bad <= RATES.0 => break by_clients,
            Some((bad, _)) => good.midpoint(bad),
            None if rate >= RATES.1 => break true,
            None => rate * 2,
        };
    };
    let best = best.with_context(|| format!("{} lost something even at {} a second", server.name(), RATES.0))?;
    Ok(Found { server, best, limited })
}

/// A trial, printed.
fn tried(bed: &Bed, server: Server, players: Players, rate: u32, seconds: u32) -> Result<Outcome> {
    let outcome = bed.trial(server, players, rate, seconds)?;
    println!("  {rate:>6} wanted: {outcome}");
    Ok(outcome)
}

/// A trial, and a second one if something was lost.
fn lossless(bed: &Bed, server: Server, players: Players, rate: u32, seconds: u32) -> Result<Outcome> {
    let first = tried(bed, server, players, rate, seconds)?;
    if first.is_lossless() { Ok(first) } else { tried(bed, server, players, rate, seconds) }
}

/// What a lease costs at one rate that Kea and the gateway both manage: work is done in batches, so it depends on the
/// rate. dnsmasq, which manages far less, is not asked.
fn compare(bed: &Bed, search: &Search, seconds: u32) -> Result<Common> {
    let both = [Server::Gateway, Server::Kea];
    let mut common = search.best(both[0])?.best.rate.min(search.best(both[1])?.best.rate) * 0.95;
    for _ in 0..4 {
        let rate = common as u32;
        println!("both at {rate} a second, perfdhcp, {:.0} in 100 may be lost:", COMMON_LOSS * 100.0);
        let [ours, kea] = both.map(|server| lossless(bed, server, Players::Perfdhcp, rate, seconds));
        let outcomes = [ours?, kea?];
        if outcomes.iter().all(|outcome| outcome.is_reached() && outcome.share_lost() <= COMMON_LOSS) {
            let [gateway_us, kea_us] = outcomes.map(|outcome| outcome.micros_per_lease());
            return Ok(Common { rate, gateway_us, kea_us });
        }
        common *= 0.85;
    }
    bail!("there is no rate at which gateway and Kea both lose next to nothing: is this machine busy?")
}

/// What a lease costs at a rate that both manage, in microseconds of processor time.
struct Common {
    rate: u32,
    gateway_us: f64,
    kea_us: f64,
}

fn report(searches: &[Search; 2], common: Common, steady: &[Outcome], bed: &Bed, args: &Args) -> Result<()> {
    println!("\nNew leases of four messages, nothing lost, at most {} s a trial:", args.seconds);
    println!("{:<10}{:<10}{:>12}{:>26}", "server", "clients", "leases/s", "processor us/lease there");
    for search in searches {
        for Found { server, best, limited } in &search.found {
            let limit = if *limited { "  (the clients' limit)" } else { "" };
            let (name, players) = (server.name(), search.players.name());
            println!("{name:<10}{players:<10}{:>12.0}{:>26.1}{limit}", best.rate, best.micros_per_lease());
        }
    }
    let [perfdhcp, own] = searches;
    // What perfdhcp could not ask of the gateway says nothing about it.
    let decisive = if perfdhcp.best(Server::Gateway)?.limited { own } else { perfdhcp };
    let (to_dnsmasq, to_kea) = (decisive.over(Server::Dnsmasq)?, decisive.over(Server::Kea)?);
    for search in searches {
        println!(
            "leases a second over dnsmasq's {:.1} (bar: {} or more), over Kea's {:.2} (bar: {}), with {}",
            search.over(Server::Dnsmasq)?,
            BARS.0,
            search.over(Server::Kea)?,
            BARS.1,
            search.players.name()
        );
    }
    let Common { rate, gateway_us, kea_us } = common;
    let cpu = gateway_us / kea_us;
    println!(
        "processor time a lease over Kea's, both at {rate} a second: {gateway_us:.1} us / {kea_us:.1} us = {cpu:.3} \
         (bar: {:.3} or less)",
        BARS.2
    );
    let lost: Vec<u64> = steady.iter().map(|outcome| outcome.lost).collect();
    println!("gateway at {STEADY} a second: lost {lost:?} (bar: none)");
    println!("{}", servers::settings());
    println!("leases on {}, servers on processor {}, clients on {}", bed.file_system()?, CORES.0, CORES.1);
    println!("{}", servers::versions()?);
    println!(
        "bench=dhcp rate_over_dnsmasq={to_dnsmasq:.2} rate_over_kea={to_kea:.3} clients={} common_rate={rate} \
         gateway_us={gateway_us:.1} kea_us={kea_us:.1} cpu_over_kea={cpu:.3} lost_at_{STEADY}={}",
        decisive.players.name(),
        lost.iter().sum::<u64>()
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
