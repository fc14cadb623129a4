//! What a forwarded packet costs the processor: our packet filter against the three rules of iptables that a Pi usually gets
//! (MASQUERADE, and a FORWARD rule for each direction), on the image's own kernel.
//!
//! QEMU counts instructions (`-icount`): the guest's clock is the number of instructions that it has executed, so the time
//! that it was not idle is a count, whatever else the host does meanwhile. All rulesets are measured in one guest, in turn.
//! A packet is a UDP datagram of 1,400 bytes with its headers, on a flow that is known from both sides; half of them go
//! out, half come in. They come in bursts of 64, and the next burst when all have arrived.

mod guest;

use anyhow::{Context, Result, bail, ensure};
use gatepost_core::config::Config;
use gatepost_core::plan::sysctls;
use gatepost_core::ruleset::{Inputs, build};
use guest::Guest;
use std::fmt::Write;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

/// Payload of a datagram: with UDP's and IP's headers 1,400 bytes.
const PAYLOAD: usize = 1400 - 28;

/// Datagrams in one go; the queues of the guest hold four times as many.
const BURST: u32 = 64;

/// How long a datagram may take.
const ARRIVAL: Duration = Duration::from_secs(10);

/// Conntrack calls a UDP flow assured when packets went both ways for two seconds of the guest's time.
const WARM_CENTISECONDS: u64 = 300;

/// What the command line may say.
#[derive(clap::Args)]
pub struct Args {
    /// The image
    #[arg(long, default_value = "target/image/gatepost.img")]
    image: PathBuf,
    /// How often each ruleset is measured
    #[arg(long, default_value_t = 5)]
    runs: u8,
    /// Packets a measurement, rounded to whole bursts
    #[arg(long, default_value_t = 6400)]
    packets: u32,
    /// Fail if our rules without the flowtable cost more than this share of the three rules
    #[arg(long)]
    plain_at_most: Option<f64>,
    /// Fail if our rules with the flowtable cost more than this share of the three rules
    #[arg(long)]
    flowtable_at_most: Option<f64>,
}

/// A ruleset under measurement.
struct Candidate {
    name: &'static str,
    /// The command that puts it in force.
    install: String,
    /// Instructions a packet, one entry a run.
    costs: Vec<f64>,
}

/// Runs the measurement and prints its table.
pub fn run(args: &Args) -> Result<()> {
    ensure!(args.runs > 0 && args.packets >= 2 * BURST, "at least one run of {} packets", 2 * BURST);
    let files = [("rules/plain.nft", false), ("rules/flowtable.nft", true)];
    let files = files.map(|(path, flowtable)| (path.to_owned(), our_rules(flowtable)));
    let mut guest = Guest::start(&args.image, &files)?;
    let mut candidates = candidates();
    println!("Each line is one measurement of each ruleset, in instructions a packet.");
    println!("  run  iptables  ours, plain  ours, flowtable");
    for run in 1..=args.runs {
        let mut line = format!("{run:5}");
        for candidate in &mut candidates {
            let cost = measure(&mut guest, &candidate.install, args.packets / (2 * BURST))
                .with_context(|| format!("measuring {}", candidate.name))?;
            candidate.costs.push(cost);
            let _ = write!(line, "{cost:12.0}");
        }
        println!("{line}");
    }
    let [seed, plain, flowtable] = candidates.each_mut().map(|candidate| super::median(&mut candidate.costs));
    let (plain_ratio, flowtable_ratio) = (plain / seed, flowtable / seed);
    println!(
        "median: iptables {seed:.0}, ours plain {plain:.0} ({plain_ratio:.3}), flowtable {flowtable:.0} ({flowtable_ratio:.3})"
    );
    let versions = guest.run("uname -r; iptables -V; nft -v")?.lines().collect::<Vec<_>>().join(", ");
    println!("{}, guest: Linux {versions}; {} runs of {} packets", qemu::machine::version()?, args.runs, args.packets);
    println!(
        "bench=nat runs={} packets={} iptables_insn={seed:.0} plain_insn={plain:.0} flowtable_insn={flowtable:.0} \
         plain_ratio={plain_ratio:.3} flowtable_ratio={flowtable_ratio:.3}",
        args.runs, args.packets
    );
    let bars = [("plain", plain_ratio, args.plain_at_most), ("flowtable", flowtable_ratio, args.flowtable_at_most)];
    for (name, ratio, limit) in bars {
        if limit.is_some_and(|limit| ratio > limit) {
            bail!("{name}: the ratio {ratio:.3} is too large");
        }
    }
    Ok(())
}

/// In nft's words, as the gateway installs them with a plain configuration.
fn our_rules(flowtable: bool) -> String {
    let lan = Config::default().lan.address;
    let near = "192.168.77.0/24".parse().map(|net| vec![net]).unwrap_or_default();
    let inputs = Inputs {
        lan_interface: "eth0",
        lan,
        uplink_interface: Some("eth1"),
        flowtable,
        near: &near,
        far_private: false,
        connections_per_host: 8192,
        lan_udp: &[],
        allows: &[],
        forwards: &[],
        blocks: &[],
    };
    build(&inputs).to_string()
}

fn candidates() -> [Candidate; 3] {
    let clean = "nft flush ruleset";
    // The kernel's parameters are the gateway's for our rules and the kernel's own for the others.
    let ours: Vec<(String, String)> = sysctls(&Config::default(), 1 << 30).into_iter().collect();
    let set = |values: &[(String, String)]| {
        let write =
            |(path, value): &(String, String)| format!("[ ! -w /proc/sys/{path} ] || echo {value} >/proc/sys/{path}");
        values.iter().map(write).collect::<Vec<_>>().join("; ")
    };
    let defaults = "echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter; echo 0 >/proc/sys/net/ipv4/conf/all/log_martians";
    let iptables = "iptables -t nat -A POSTROUTING -o eth1 -j MASQUERADE && \
                    iptables -A FORWARD -i eth1 -o eth0 -m state --state RELATED,ESTABLISHED -j ACCEPT && \
                    iptables -A FORWARD -i eth0 -o eth1 -j ACCEPT";
    let candidate = |name, install| Candidate { name, install, costs: Vec::new() };
    [
        candidate("iptables", format!("{clean} && {defaults} && {iptables}")),
        candidate("ours, plain", format!("{clean} && {{ {}; }} && nft -f /rules/plain.nft", set(&ours))),
        candidate("ours, flowtable", format!("{clean} && {{ {}; }} && nft -f /rules/flowtable.nft", set(&ours))),
    ]
}

/// Instructions a packet with these rules in force.
fn measure(guest: &mut Guest, install: &str, rounds: u32) -> Result<f64> {
    guest.run(install)?;
    let inside = guest.lan.run(|| bound("10.0.0.2:0"))?;
    let outside = guest.uplink.run(|| bound("203.0.113.80:9"))?;
    let begun = guest.clock()?;
    let way = SocketAddr::from(([203, 0, 113, 80], 9));
    let mut seen;
    loop {
        inside.send_to(&[0; PAYLOAD], way)?;
        seen = outside.recv_from(&mut [0; 2048]).context("nothing comes through")?.1;
        outside.send_to(&[0; PAYLOAD], seen)?;
        inside.recv_from(&mut [0; 2048]).context("no answer comes through")?;
        if guest.clock()?.centiseconds_since(begun) > WARM_CENTISECONDS {
            break;
        }
    }
    ensure!(seen.ip().to_string() == "192.168.77.2", "the source {seen} is not translated");
    let before = guest.clock()?;
    for _ in 0..rounds {
        burst(&inside, &outside, way)?;
        burst(&outside, &inside, seen)?;
    }
    let cost = guest.clock()?.instructions_since(before);
    Ok(cost / f64::from(2 * BURST * rounds))
}

fn burst(from: &UdpSocket, to: &UdpSocket, address: SocketAddr) -> Result<()> {
    for _ in 0..BURST {
        from.send_to(&[0; PAYLOAD], address)?;
    }
    for number in 0..BURST {
        to.recv_from(&mut [0; 2048]).with_context(|| format!("only {number} of {BURST} packets came through"))?;
    }
    Ok(())
}

fn bound(address: &str) -> Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_read_timeout(Some(ARRIVAL))?;
    Ok(socket)
}
