//! `cargo xtask qemu`: the image in a machine that one can type at, with a LAN and an uplink.
//!
//! As root the sides are network namespaces with real programs in them (a DHCP client on the LAN; a DHCP, a DNS and a web
//! server on the uplink). Without root QEMU's own NAT is the uplink, and a small built-in DHCP client stands on the LAN.

mod terminal;

use anyhow::{Context, Result, bail};
use qemu::dhcp::{Answer, Kind, Question};
use qemu::frames::{Datagrams, FrameIo};
use qemu::lab::{Client, Lab, Lease, Program, uplink};
use qemu::machine::Net;
use qemu::{Card, Machine, Nics, Vm, VmConfig};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use terminal::{Key, Terminal};

/// The configuration that is put on the card when the user names none: QEMU's first interface is the LAN.
const CONFIG: &str = "hostname = \"rpi1\"\ndomain = \"mydomain.net\"\n\n[uplink]\ninterface = \"eth1\"\n\n\
    [lan]\ninterface = \"eth0\"\naddress = \"10.0.0.1/24\"\n";

/// Pause between two looks at keys and console.
const LOOK: Duration = Duration::from_millis(20);

/// How often the LAN client without root asks.
const ASK: Duration = Duration::from_secs(1);

/// What the command line may say.
#[derive(clap::Args)]
pub struct Args {
    /// virt, raspi3b or raspi4b (if the installed QEMU has it)
    #[arg(long, default_value = "virt")]
    machine: Machine,
    /// The image; the run works on a copy and never changes it
    #[arg(long, default_value = "target/image/gatepost.img")]
    image: PathBuf,
    /// A gateway.toml to put on the card first (interfaces: eth0 is the LAN, eth1 the uplink)
    #[arg(long)]
    config: Option<PathBuf>,
    /// Guest memory in MiB, for virt
    #[arg(long, default_value_t = 256)]
    memory: u32,
    /// Words to add to the kernel's command line
    #[arg(long, default_value = "")]
    append: String,
    /// Without root: let the guest reach the host's network; else QEMU's NAT stays closed
    #[arg(long)]
    internet: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("gatepost-qemu-").tempdir()?;
    let card = prepare(&args.image, args.config.as_deref(), folder.path())?;
    let mut sides = Sides::new(&folder, args.internet)?;
    let mut config = VmConfig::new(args.machine, card, sides.nics(), folder.path().join("console.txt"));
    config.memory_mib = args.memory;
    config.append.clone_from(&args.append);
    println!(
        "{}\nLeave with Ctrl-A x. Ctrl-A b sends BREAK, Ctrl-A r pulls the plug and puts it in again.\n",
        sides.told()
    );
    let mut vm = Vm::start(config)?;
    println!("{}\n", vm.command_line());
    let terminal = Terminal::raw()?;
    let ended = session(&mut vm, &mut sides, &terminal);
    drop(terminal);
    println!();
    ended
}

/// Copies the image and puts the configuration on the copy.
pub fn prepare(image: &Path, config: Option<&Path>, folder: &Path) -> Result<Card> {
    if !image.exists() {
        bail!("there is no image at {}; build it with: cargo xtask image", image.display());
    }
    let text = match config {
        Some(path) => fs::read(path).with_context(|| format!("can't read {}", path.display()))?,
        None => CONFIG.into(),
    };
    let card = Card::open(image)?.copy_to(&folder.join("card.img"))?;
    card.write_file(1, "gateway.toml", &text)?;
    Ok(card)
}

/// Carries keys to the guest until the user or the guest ends it.
fn session(vm: &mut Vm, sides: &mut Sides, terminal: &Terminal) -> Result<()> {
    let mut shown = 0;
    loop {
        shown += terminal.show(&vm.console().bytes(shown))?;
        match terminal.key(LOOK)? {
            Key::None => {}
            Key::Bytes(bytes) => vm.console().send(&bytes)?,
            Key::Leave => return Ok(()),
            Key::Break => vm.qmp()?.send_break()?,
            Key::PowerCut => vm.power_on()?,
        }
        if let Err(end) = vm.poll() {
            terminal.show(&vm.console().bytes(shown))?;
            return Err(end);
        }
        if let Some(news) = sides.news()? {
            vm.console().note(&news);
        }
    }
}

/// The two networks, with root or without.
enum Sides {
    Namespaces { lab: Box<Lab>, client: Client, _udhcpc: Program, lease: Option<Lease> },
    Sockets { frames: Datagrams, nics: Nics, asked: Instant, address: Option<Ipv4Addr> },
}

impl Sides {
    fn new(folder: &TempDir, internet: bool) -> Result<Self> {
        if nix::unistd::geteuid().is_root() {
            let mut lab = Lab::new(folder.path())?;
            let client = lab.client("laptop")?;
            let udhcpc = client.start_udhcpc("laptop")?;
            return Ok(Self::Namespaces { lab: Box::new(lab), client, _udhcpc: udhcpc, lease: None });
        }
        let (own, guest) = (folder.path().join("lan.sock"), folder.path().join("lan-qemu.sock"));
        let frames = Datagrams::open(&own, &guest)?;
        let lan = Net::Datagrams { local: guest, remote: own };
        let nics = Nics { lan, uplink: Net::User { restrict: !internet } };
        Ok(Self::Sockets { frames, nics, asked: Instant::now(), address: None })
    }

    fn nics(&self) -> Nics {
        match self {
            Self::Namespaces { lab, .. } => lab.nics(),
            Self::Sockets { nics, .. } => nics.clone(),
        }
    }

    fn told(&self) -> String {
        match self {
            Self::Namespaces { lab, client, .. } => format!(
                "LAN client:  ip netns exec {} sh      (udhcpc runs there)\n\
                 uplink:      ip netns exec {} sh      (dnsmasq; http://{}/ is {})",
                client.namespace().name(),
                lab.uplink().namespace().name(),
                uplink::NAME,
                uplink::WEB
            ),
            Self::Sockets { .. } => {
                "Not root: QEMU's own NAT is the uplink, a built-in DHCP client is on the LAN.".into()
            }
        }
    }

    /// What the LAN client learned since the last look.
    fn news(&mut self) -> Result<Option<String>> {
        match self {
            Self::Namespaces { client, lease, .. } => {
                let now = client.lease()?;
                let new = now.as_ref().filter(|_| now != *lease).map(|lease| lease.address);
                lease.clone_from(&now);
                Ok(new.map(|address| format!("LAN client {}: leased {address}", client.namespace().name())))
            }
            Self::Sockets { frames, asked, address, .. } => {
                if address.is_none() && asked.elapsed() >= ASK {
                    *asked = Instant::now();
                    frames.send(&Question::discover(MAC, XID).frame())?;
                }
                let Some(frame) = frames.receive(Instant::now())? else { return Ok(None) };
                answer(frames, address, &frame)
            }
        }
    }
}

/// The built-in client's hardware address and transaction id: one client, one transaction.
const MAC: [u8; 6] = [0x02, 0x67, 0x70, 0, 0, 0xfe];
const XID: u32 = 0x6770_0001;

fn answer(frames: &mut Datagrams, address: &mut Option<Ipv4Addr>, frame: &[u8]) -> Result<Option<String>> {
    let Some(answer) = Answer::read(frame).filter(|answer| answer.mac == MAC) else { return Ok(None) };
    match (answer.kind, answer.server) {
        (Kind::Offer, Some(server)) => {
            frames.send(&Question::select(MAC, XID, answer.address, server).frame())?;
            Ok(None)
        }
        (Kind::Ack, _) if *address != Some(answer.address) => {
            *address = Some(answer.address);
            Ok(Some(format!("LAN client: leased {}", answer.address)))
        }
        _ => Ok(None),
    }
}
