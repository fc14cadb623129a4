//! How long the uplink needs from the radio's start to the first packet of a LAN client out there, in units of what Debian's
//! wpa_supplicant needs for the same.
//!
//! Two guests run the same image beside the same access points (tests/README.md, the Wi-Fi lab), one after the other:
//!
//! * *wpa_supplicant*: the gateway takes wlan0 for a cable, and wpa_supplicant holds the radio.
//! * *gatepost*: the gateway holds the radio itself.
//!
//! Everything else is the same program doing the same: DHCP, routes, the kernel's translation. A round takes wlan0 down, which
//! makes the radio forget all; the gateway sets it up again at once. A client on the LAN sends a datagram every 20 ms to a server
//! on the uplink; the clock runs from the command until the first one arrives there.

use super::median;
use crate::qemu::prepare;
use crate::test::wifi_lab;
use anyhow::{Context, Result, bail, ensure};
use qemu::lab::{Client, Lab, uplink};
use qemu::machine::version;
use qemu::wifi::{self, Air, Known, Security, Stranger};
use qemu::{Machine, Vm, VmConfig};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Pause between two datagrams.
const PACE: Duration = Duration::from_millis(20);

/// How long one round, or a start, may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// Where the server listens.
const PORT: u16 = 7777;

/// The passphrase of both networks.
const PSK: &str = "correct horse battery";

/// What the command line may say.
#[derive(clap::Args)]
pub struct Args {
    /// The image
    #[arg(long, default_value = "target/image/gatepost.img")]
    image: PathBuf,
    /// How often each of the four is measured
    #[arg(long, default_value_t = 5)]
    rounds: u8,
    /// Fail if a ratio of medians is larger
    #[arg(long)]
    at_most: Option<f64>,
}

/// Who holds the radio.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    WpaSupplicant,
    Gatepost,
}

/// What one side showed.
struct Shown {
    /// Medians in seconds, over WPA2 and WPA3.
    medians: [f64; 2],
    /// Resident memory of the gateway process while connected, KiB.
    gateway_kib: u64,
    /// The same of wpa_supplicant, where it runs.
    supplicant_kib: u64,
}

/// Runs the measurement and prints its table.
pub fn run(args: &Args) -> Result<()> {
    ensure!(args.rounds > 0, "at least one round");
    wifi_lab::build()?;
    println!("Each number is one round: seconds from the radio's start to the first translated packet.");
    let theirs = side(args, Side::WpaSupplicant)?;
    let ours = side(args, Side::Gatepost)?;
    let ratios = [ours.medians[0] / theirs.medians[0], ours.medians[1] / theirs.medians[1]];
    println!("\nmedians         WPA2     WPA3");
    for (name, row) in [("wpa_supplicant", theirs.medians), ("gatepost", ours.medians), ("ratio", ratios)] {
        println!("{name:<14}{:7.3}  {:7.3}", row[0], row[1]);
    }
    let added = ours.gateway_kib.saturating_sub(theirs.gateway_kib);
    println!(
        "resident memory: the gateway process {} KiB without and {} KiB with the radio: {added} KiB more; wpa_supplicant {} KiB",
        theirs.gateway_kib, ours.gateway_kib, theirs.supplicant_kib
    );
    println!("{}, machine virt, {} MiB, {} rounds each", version()?, wifi::MEMORY_MIB, args.rounds);
    println!(
        "bench=wifi rounds={} wpa2_s={:.3} wpa2_theirs_s={:.3} wpa2_ratio={:.3} wpa3_s={:.3} wpa3_theirs_s={:.3} \
         wpa3_ratio={:.3} added_kib={added} supplicant_kib={}",
        args.rounds,
        ours.medians[0],
        theirs.medians[0],
        ratios[0],
        ours.medians[1],
        theirs.medians[1],
        ratios[1],
        theirs.supplicant_kib
    );
    match args.at_most {
        Some(limit) if ratios.iter().any(|ratio| *ratio > limit) => bail!("a ratio is larger than {limit}"),
        _ => Ok(()),
    }
}

fn side(args: &Args, side: Side) -> Result<Shown> {
    let folder = tempfile::Builder::new().prefix("gatepost-bench-").tempdir()?;
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, config(side))?;
    let card = prepare(&args.image, Some(&file), folder.path())?;
    let mut lab = Lab::new(folder.path())?;
    let mut config = VmConfig::new(Machine::Virt, card, lab.nics(), folder.path().join("console.txt"));
    config.memory_mib = wifi::MEMORY_MIB;
    config.append = wifi::APPEND.into();
    config.overlay = Some(std::fs::read(wifi_lab::HELPER)?);
    let mut vm = Vm::start(config)?;
    let client = lab.client("probe")?;
    let _leases = client.start_udhcpc("probe")?;
    vm.until("a lease", PATIENCE, |_| client.lease())?;
    if side == Side::WpaSupplicant {
        Stranger::start(&mut vm, &[Known::new("bench-wpa2", PSK), Known::new("bench-wpa3", PSK)], "")?;
    }
    let server = lab.uplink().namespace().run(|| Ok(UdpSocket::bind((uplink::WEB, PORT))?))?;
    server.set_nonblocking(true)?;
    let mut medians = [0.0; 2];
    let mut memory = (0, 0);
    for (median, (ssid, security)) in
        medians.iter_mut().zip([("bench-wpa2", Security::Wpa2), ("bench-wpa3", Security::Wpa3)])
    {
        let air = Air::new("wlan1", ssid, security, PSK);
        air.start(&mut vm)?;
        *median = sending(&client, || rounds(&mut vm, &server, args.rounds))?;
        memory = (resident(&mut vm, "gatepost gateway")?, resident(&mut vm, "wpa_supplicant").unwrap_or(0));
        air.cut(&mut vm)?;
    }
    Ok(Shown { medians, gateway_kib: memory.0, supplicant_kib: memory.1 })
}

fn config(side: Side) -> String {
    match side {
        Side::WpaSupplicant => "[uplink]\ninterface = \"wlan0\"\n".into(),
        Side::Gatepost => format!(
            "[uplink]\ninterface = \"wlan0\"\nwifi = [\n    {{ ssid = \"bench-wpa2\", passphrase = \"{PSK}\" }},\n    \
             {{ ssid = \"bench-wpa3\", passphrase = \"{PSK}\" }},\n]\n"
        ),
    }
}

/// Runs something while the client sends its datagrams.
fn sending<T>(client: &Client, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let socket = client.namespace().run(|| Ok(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?))?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // Refused while there is no way out, and by nobody at the port.
                let _ = socket.send_to(b"probe", (uplink::WEB, PORT));
                thread::sleep(PACE);
            }
        });
        let result = work();
        stop.store(true, Ordering::Relaxed);
        result
    })
}

/// The median of the rounds, after one that only waits for the first connection.
fn rounds(vm: &mut Vm, server: &UdpSocket, count: u8) -> Result<f64> {
    let mut seconds = Vec::new();
    first(vm, server)?;
    for _ in 0..count {
        let started = Instant::now();
        wifi::run(vm, "outside ip link set wlan0 down")?;
        // What was under way before the radio stopped.
        while server.recv_from(&mut [0; 64]).is_ok() {}
        first(vm, server)?;
        seconds.push(started.elapsed().as_secs_f64());
        println!("  {:.3}", seconds[seconds.len() - 1]);
    }
    Ok(median(&mut seconds))
}

/// Waits for a datagram from the gateway's own address.
fn first(vm: &mut Vm, server: &UdpSocket) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut datagram = [0; 64];
    loop {
        match server.recv_from(&mut datagram) {
            Ok((_, from)) => {
                ensure!(from.ip() != Ipv4Addr::new(10, 0, 0, 10), "a packet of the LAN came untranslated");
                return Ok(());
            }
            Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(2)),
            Err(_) => bail!("nothing crossed the gateway; its console:\n{}", vm.console().tail(40)),
        }
    }
}

/// Resident memory of the process whose command line has these words, KiB.
fn resident(vm: &mut Vm, words: &str) -> Result<u64> {
    let command = format!(
        "for p in /proc/[0-9]*; do if tr '\\0' ' ' <$p/cmdline | grep -q '{words}'; then grep VmRSS $p/status; fi; done 2>/dev/null; true"
    );
    let said = wifi::run(vm, &command)?;
    let largest = said.lines().filter_map(|line| line.split_whitespace().nth(1)?.parse().ok()).max();
    largest.with_context(|| format!("no process “{words}”"))
}
