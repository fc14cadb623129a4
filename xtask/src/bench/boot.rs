//! How long the image needs to its first DHCPOFFER, in units of what the kernel alone needs.
//!
//! Both runs start the same kernel from the same card on the same machine with the same devices, one after the other:
//!
//! * *kernel*: `/init` is a program of 156 bytes that powers off at once. The clock stops when QEMU ends, or, on a board
//!   that can't switch itself off, when the kernel says that it halted.
//! * *gatepost*: the card as it is. A client on the LAN sends a DHCPDISCOVER every 100 ms; the clock stops at the first
//!   DHCPOFFER.

use super::median;
use crate::qemu::prepare;
use anyhow::{Context, Result, bail, ensure};
use qemu::dhcp::{Answer, Kind, Question};
use qemu::frames::{Datagrams, FrameIo};
use qemu::machine::{Net, version};
use qemu::tiny::{Wish, initramfs};
use qemu::{Machine, Nics, Vm, VmConfig};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Pause between two DISCOVERs.
const ASK: Duration = Duration::from_millis(100);

/// How long one start may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// What the command line may say.
#[derive(clap::Args)]
pub struct Args {
    /// virt, raspi3b or raspi4b
    #[arg(long, default_value = "virt")]
    machine: Machine,
    /// The image
    #[arg(long, default_value = "target/image/gatepost.img")]
    image: PathBuf,
    /// How often each of the two is started
    #[arg(long, default_value_t = 7)]
    runs: u8,
    /// Guest memory in MiB, for virt
    #[arg(long, default_value_t = 256)]
    memory: u32,
    /// Fail if the ratio of the medians is larger
    #[arg(long)]
    at_most: Option<f64>,
}

/// Runs the measurement and prints its table.
pub fn run(args: &Args) -> Result<()> {
    ensure!(args.runs > 0, "at least one run");
    let (mut kernel, mut gatepost) = (Vec::new(), Vec::new());
    println!("Each line is one start of each, in seconds from QEMU's start.");
    println!("  run  kernel alone  first DHCPOFFER");
    for run in 1..=args.runs {
        kernel.push(start(args, Some(initramfs(Wish::PowerOff)))?.as_secs_f64());
        gatepost.push(start(args, None)?.as_secs_f64());
        println!("{run:5}{:14.3}{:17.3}", kernel[kernel.len() - 1], gatepost[gatepost.len() - 1]);
    }
    let (kernel, gatepost) = (median(&mut kernel), median(&mut gatepost));
    let ratio = gatepost / kernel;
    println!("median{kernel:13.3}{gatepost:17.3}   ratio {ratio:.2}");
    println!("{}, machine {}, {} MiB, {} runs", version()?, args.machine, args.memory, args.runs);
    println!(
        "bench=boot machine={} runs={} kernel_s={kernel:.3} offer_s={gatepost:.3} ratio={ratio:.3}",
        args.machine, args.runs
    );
    match args.at_most {
        Some(limit) if ratio > limit => bail!("the ratio {ratio:.2} is larger than {limit}"),
        _ => Ok(()),
    }
}

/// One start from a fresh copy of the card, with the card's own initramfs or another.
fn start(args: &Args, initramfs: Option<Vec<u8>>) -> Result<Duration> {
    let folder = tempfile::Builder::new().prefix("gatepost-bench-").tempdir()?;
    let card = prepare(&args.image, None, folder.path())?;
    let (own, guest) = (folder.path().join("lan.sock"), folder.path().join("lan-qemu.sock"));
    let mut frames = Datagrams::open(&own, &guest)?;
    let lan = Net::Datagrams { local: guest, remote: own };
    let nics = Nics { lan, uplink: Net::User { restrict: true } };
    let mut config = VmConfig::new(args.machine, card, nics, folder.path().join("console.txt"));
    config.memory_mib = args.memory;
    let alone = initramfs.is_some();
    config.initramfs = initramfs;
    let mut vm = Vm::start(config)?;
    if alone { until_halt(&mut vm) } else { until_offer(&mut vm, &mut frames) }
}

fn until_halt(vm: &mut Vm) -> Result<Duration> {
    let started = vm.started()?;
    let deadline = started + PATIENCE;
    while vm.console().find("System halted", 0).is_none() {
        match vm.wait_off(Duration::from_millis(5)) {
            Ok(()) => break,
            Err(error) if vm.started().is_err() || Instant::now() > deadline => return Err(error),
            Err(_) => {}
        }
    }
    Ok(started.elapsed())
}

fn until_offer(vm: &mut Vm, frames: &mut Datagrams) -> Result<Duration> {
    let started = vm.started()?;
    let (mac, xid) = ([0x02, 0x67, 0x70, 0, 0, 0xfd], 0x6770_0002);
    let question = Question::discover(mac, xid).frame();
    while started.elapsed() < PATIENCE {
        frames.send(&question)?;
        let next = Instant::now() + ASK;
        while let Some(frame) = frames.receive(next)? {
            if Answer::read(&frame).is_some_and(|answer| answer.kind == Kind::Offer && answer.xid == xid) {
                return Ok(started.elapsed());
            }
        }
        vm.poll().context("the guest should only boot")?;
        ensure!(vm.starts().len() == 1, "the guest rebooted; its console:\n{}", vm.console().tail(40));
    }
    bail!("no DHCPOFFER within {} s; the console ends with:\n{}", PATIENCE.as_secs(), vm.console().tail(40))
}
