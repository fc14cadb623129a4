//! What an answer out of the cache costs, over UDP, in units of what the kernel alone takes for the packets.
//!
//! Three namespaces: clients, server, and an authoritative server (nsd) with some thousand names. In the middle one after
//! the other serves the same address, several rounds: the gateway (release build for this machine), dnsmasq, unbound, and
//! the floor, a loop of recvmmsg and sendmmsg that sends every packet back with one record added. All of them are pinned to
//! one core and stand behind the packet filter that the gateway left in the kernel; dnsperf and all else are on the other.
//! Each is first asked every name once, then measured: the processor time of its process, user and system, as the
//! kernel's scheduler counts it (/proc/PID/task/*/schedstat), divided by the answers that dnsperf counted.
//!
//! There are two tables. In one dnsperf asks as it does by itself, everything from one socket; in the other it is as many
//! clients as there are queries under way, so that hardly ever two answers go to one destination. What the clients' own
//! kernel takes to receive an answer is in both, with every server: a veth delivers in its sender's context.

mod subjects;

use crate::test::tools;
use anyhow::{Context, Result, ensure};
use qemu::lab::{Namespace, Program, run as finish};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use subjects::Subject;

/// Programs beside those of the tests, and the Debian packages they come in.
const TOOLS: [(&str, &str); 5] =
    [("dnsmasq", "dnsmasq-base"), ("dnsperf", "dnsperf"), ("ip", "iproute2"), ("nsd", "nsd"), ("unbound", "unbound")];

/// The core of whoever is measured, and that of everybody else.
const CORES: (&str, &str) = ("0", "1");

/// The served address, and the authoritative server's.
const SERVED: &str = "10.0.0.1";
const AUTHORITY: &str = "192.168.77.1";

/// From how many sockets dnsperf asks.
const SOCKETS: [u32; 2] = [1, 100];

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the command line may say.
#[derive(clap::Args)]
pub struct Args {
    /// How often each server is measured
    #[arg(long, default_value_t = 5)]
    rounds: u8,
    /// Names that are asked for
    #[arg(long, default_value_t = 5000)]
    names: u32,
    /// How often each name is asked for in a round
    #[arg(long, default_value_t = 40)]
    times: u32,
    /// Queries under way at once, over all clients
    #[arg(long, default_value_t = 100)]
    outstanding: u32,
    /// Fail unless every bar holds
    #[arg(long)]
    strict: bool,
}

/// What one round of one server gave, `nanos` and `lost` for each of [`SOCKETS`].
struct Round {
    nanos: [f64; SOCKETS.len()],
    lost: [u64; SOCKETS.len()],
    resident_kib: f64,
}

/// Where everything stands.
struct World {
    folder: tempfile::TempDir,
    clients: Namespace,
    server: Namespace,
    far: Namespace,
}

/// Runs the measurement and prints its table.
pub fn run(args: &Args) -> Result<()> {
    ensure!(args.rounds > 0 && args.names > 0 && args.times > 0, "nothing to measure");
    tools::install(&TOOLS, "the measurement")?;
    build(&["--package", "init"])?;
    build(&["--package", "init", "--example", "dns_floor"])?;
    let world = World::build(args.names)?;
    let _authority = world.authority()?;
    let mut rounds: [Vec<Round>; Subject::ALL.len()] = Default::default();
    println!(
        "Nanoseconds of processor time a query from {SOCKETS:?} sockets, KiB resident, queries lost; a line a round."
    );
    for round in 1..=args.rounds {
        for (subject, results) in Subject::ALL.into_iter().zip(&mut rounds) {
            let result = world.measure(subject, args).with_context(|| format!("{subject} in round {round}"))?;
            let (nanos, lost) = (result.nanos, result.lost.iter().sum::<u64>());
            let name = subject.name();
            println!("{round:3}  {name:<9}{:9.0}{:9.0}{:9.0}{lost:6}", nanos[0], nanos[1], result.resident_kib);
            results.push(result);
        }
    }
    report(args, &rounds)
}

/// A part of the tree in its release form.
fn build(arguments: &[&str]) -> Result<()> {
    let status = Command::new(env!("CARGO")).args(["build", "--quiet", "--release"]).args(arguments).status()?;
    ensure!(status.success(), "`cargo build --release {}` failed", arguments.join(" "));
    Ok(())
}

impl World {
    fn build(names: u32) -> Result<World> {
        let folder = tempfile::Builder::new().prefix("gatepost-bench-").tempdir()?;
        let (clients, server, far) = (Namespace::new("clients")?, Namespace::new("server")?, Namespace::new("far")?);
        for (side, outer, inner) in [(&clients, "lan0", "eth0"), (&far, "wan0", "eth1")] {
            side.ip(&format!("link add {outer} type veth peer name {inner} netns {}", server.name()))?;
            side.ip(&format!("link set {outer} up"))?;
        }
        clients.ip("addr add 10.0.0.2/24 dev lan0")?;
        far.ip(&format!("addr add {AUTHORITY}/24 dev wan0"))?;
        fs::create_dir(folder.path().join("state"))?;
        fs::create_dir(folder.path().join("run"))?;
        let (mut zone, mut questions) =
            (String::from("$TTL 86400\n@ SOA ns.bench.example. a.bench.example. 1 1 1 1 1\n"), String::new());
        zone += "@ NS ns\nns A 192.168.77.1\n";
        for number in 0..names {
            // A stride that shares no factor with any number of names in use, so that neighbours are not asked in turn.
            let mixed = u64::from(number) * 7919 % u64::from(names);
            writeln!(zone, "host{number} A 198.18.{}.{}", number >> 8 & 255, number & 255)?;
            writeln!(questions, "host{mixed}.bench.example A")?;
        }
        let world = World { folder, clients, server, far };
        fs::write(world.path("bench.example.zone"), zone)?;
        fs::write(world.path("questions"), questions)?;
        Ok(world)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The server behind everybody.
    fn authority(&self) -> Result<Program> {
        let folder = self.folder.path().display();
        let config = format!(
            "server:\n ip-address: {AUTHORITY}\n username: \"\"\n zonesdir: \"{folder}\"\n database: \"\"\n\
             \n pidfile: \"\"\n xfrdfile: \"\"\n zonelistfile: \"{folder}/zones\"\n server-count: 1\n\
             remote-control:\n control-enable: no\nzone:\n name: bench.example\n zonefile: bench.example.zone\n"
        );
        fs::write(self.path("nsd.conf"), config)?;
        let mut command = self.far.command("taskset");
        command.args(["-c", CORES.1, "nsd", "-d", "-c"]).arg(self.path("nsd.conf"));
        Program::start(command, &self.path("nsd.log"))
    }

    /// One server, warmed and measured.
    fn measure(&self, subject: Subject, args: &Args) -> Result<Round> {
        let mut command = self.server.command("taskset");
        command.args(["-c", CORES.0]);
        subject.complete(&mut command, self.folder.path())?;
        let mut program = Program::start(command, &self.path("subject.log"))?;
        let end = Instant::now() + PATIENCE;
        // The warming up: until every name was answered.
        while self.ask(1, 1, args).map_or(true, |(answered, lost)| answered < u64::from(args.names) || lost > 0) {
            ensure!(Instant::now() < end && program.is_running()?, "it does not answer: {}", program.said());
        }
        let (mut nanos, mut lost) = ([0.0; SOCKETS.len()], [0; SOCKETS.len()]);
        for (at, sockets) in SOCKETS.into_iter().enumerate() {
            let before = processor_nanos(program.id())?;
            let (answered, missing) = self.ask(args.times, sockets, args)?;
            let spent = processor_nanos(program.id())? - before;
            ensure!(answered > 0, "nothing was answered: {}", program.said());
            (nanos[at], lost[at]) = (spent as f64 / answered as f64, missing);
        }
        Ok(Round { nanos, lost, resident_kib: resident_kib(program.id())? })
    }

    /// Has dnsperf ask every name so often: how many answers came, and how many did not.
    fn ask(&self, times: u32, sockets: u32, args: &Args) -> Result<(u64, u64)> {
        let mut command = self.clients.command("taskset");
        command.args(["-c", CORES.1, "dnsperf", "-s", SERVED, "-t", "2", "-W", "-c", &sockets.to_string()]);
        command.args(["-n", &times.to_string(), "-q", &args.outstanding.to_string(), "-d"]).arg(self.path("questions"));
        let said = finish(command, PATIENCE)?;
        let number = |label: &str| -> Option<u64> {
            let line = said.lines().find_map(|line| line.trim().strip_prefix(label))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let codes = said.lines().find(|line| line.contains("Response codes:")).unwrap_or_default();
        ensure!(codes.contains("NOERROR") && codes.matches('%').count() == 1, "not every answer is good: {said}");
        number("Queries completed:").zip(number("Queries lost:")).with_context(|| said.clone())
    }
}

/// What the process and its threads have used of any core, in nanoseconds, user and system time together.
fn processor_nanos(process: u32) -> Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        sum += text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).context("schedstat")?;
    }
    Ok(sum)
}

fn resident_kib(process: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).context("no VmRSS")
}

fn report(args: &Args, rounds: &[Vec<Round>; Subject::ALL.len()]) -> Result<()> {
    let versions = subjects::versions()?;
    let missed: usize = (0..SOCKETS.len()).map(|at| table(args, rounds, at, &versions)).sum();
    ensure!(missed == 0 || !args.strict, "{missed} bars are missed");
    Ok(())
}

/// Prints the table of one of [`SOCKETS`]: how many bars are missed in it.
fn table(args: &Args, rounds: &[Vec<Round>; Subject::ALL.len()], at: usize, versions: &str) -> usize {
    let median = |of: &dyn Fn(&Round) -> f64| {
        rounds.each_ref().map(|rounds| super::median(&mut rounds.iter().map(of).collect::<Vec<_>>()))
    };
    let (nanos, resident) = (median(&|round| round.nanos[at]), median(&|round| round.resident_kib));
    let lost = rounds.each_ref().map(|rounds| rounds.iter().map(|round| round.lost[at]).sum::<u64>());
    let [gateway, dnsmasq, unbound, floor] = nanos;
    println!("\nasked from {} sockets, medians", SOCKETS[at]);
    println!("            ns/query   of floor   of dnsmasq   KiB resident   lost");
    for (((subject, nanos), kib), lost) in Subject::ALL.iter().zip(nanos).zip(resident).zip(lost) {
        let (name, of_floor, of_dnsmasq) = (subject.name(), nanos / floor, nanos / dnsmasq);
        println!("{name:<9}{nanos:11.0}{of_floor:11.3}{of_dnsmasq:13.3}{kib:15.0}{lost:7}");
    }
    let bars = [
        ("at most 1.15 times the floor", gateway / floor, 1.15),
        ("below unbound", gateway / unbound, 1.0),
        ("at most 0.6 of dnsmasq", gateway / dnsmasq, 0.6),
        ("resident at most dnsmasq's and 4 MiB", resident[0] / (resident[1] + 4096.0), 1.0),
        ("no query lost", lost[0] as f64, 0.0),
    ];
    for (what, value, most) in bars {
        println!("{}  {what}: {value:.3} (bar {most})", if value > most { "MISSED" } else { "held  " });
    }
    println!("{versions}");
    println!(
        "bench=dns sockets={} rounds={} names={} times={} outstanding={} gateway_ns={gateway:.0} \
         dnsmasq_ns={dnsmasq:.0} unbound_ns={unbound:.0} floor_ns={floor:.0} of_floor={:.3} of_unbound={:.3} \
         of_dnsmasq={:.3} floor_of_dnsmasq={:.3} gateway_kib={:.0} dnsmasq_kib={:.0} unbound_kib={:.0} lost={}",
        SOCKETS[at],
        args.rounds,
        args.names,
        args.times,
        args.outstanding,
        gateway / floor,
        gateway / unbound,
        gateway / dnsmasq,
        floor / dnsmasq,
        resident[0],
        resident[1],
        resident[2],
        lost[0]
    );
    bars.iter().filter(|(_, value, most)| value > most).count()
}

/// Where the release build is.
fn release(name: &str) -> PathBuf {
    Path::new("target/release").join(name)
}
