//! The gateway process: sockets, netlink and disk around the core. Nothing here decides.

mod args;
mod block_lists;
mod bound_udp;
mod clock;
mod config_file;
mod control;
mod disk;
mod dns_tcp;
mod dns_udp;
mod entropy;
mod event;
mod facts;
mod heartbeat;
mod lan;
mod lan_dhcp;
mod many;
mod netlink;
mod ntp;
mod paced;
mod raw;
mod sandbox;
mod say;
mod shell;
mod tftp;
mod tls;
mod told_once;
mod trains;
mod uplink_dhcp;
mod upstream;
mod wifi;

use anyhow::{Context, Result};
use args::Args;
use config_file::Loaded;
use gatepost_core::card;
use gatepost_core::gateway::{Gateway, Start};
use gatepost_core::time::WallTime;
use say::say;
use std::path::Path;
use std::process::ExitCode;

/// The largest journal that is read, in bytes: the core rewrites it long before.
const MAX_JOURNAL: u64 = 16 * 1024 * 1024;

/// The largest record of the uplink's lease that is read, in bytes.
const MAX_RECORD: u64 = 64 * 1024;

/// Where the uplink's last lease is kept, in the state folder.
const UPLINK_RECORD: &str = "uplink.lease";

/// Where the keys of Wi-Fi networks are kept, in the state folder.
const WIFI_RECORD: &str = "wifi.keys";

/// The host name for PID 1, in the run folder.
const HOST_NAME: &str = "hostname";

/// `gatepost gateway …`: runs until it is ended from outside.
pub fn main(words: impl Iterator<Item = String>) -> ExitCode {
    let result = Args::parse(words).map_err(anyhow::Error::msg).and_then(|args| run(&args));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("The gateway stops: {error:#}."));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    say::never_wait();
    let heartbeat = heartbeat::Heartbeat::from_environment();
    // Before Landlock closes that file.
    let built = card::built(&std::fs::read_to_string(card::RELEASE_FILE).unwrap_or_default());
    let roots = tls::read_roots(&args.dns_roots).context("read the DNS servers' authorities")?;
    let mut loaded = config_file::load(&args.config, &args.state);
    let run_folder = args.control.parent().unwrap_or(Path::new("/"));
    let user_folder = args.config.parent().unwrap_or(Path::new("/"));
    let facts = facts::Facts::open(run_folder);
    for missing in sandbox::enter(&[&args.state, run_folder, user_folder], &[&args.lists, &args.netboot]) {
        say(&format!("This kernel can't confine the gateway fully: {missing}."));
    }
    // PID 1 sets the kernel's host name; only it may.
    if let Err(error) = std::fs::write(run_folder.join(HOST_NAME), &loaded.config.hostname) {
        say(&format!("The host name can't be handed on: {error}."));
    }
    let keep = loaded.keep.take();
    let gateway = start(args, loaded, built);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the event loop")?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, shell::run(args, gateway, keep, heartbeat, facts, roots))
}

fn start(args: &Args, loaded: Loaded, built: WallTime) -> Gateway {
    // A file that can't be read is as good as none: the gateway must come up.
    let read = |name, limit| {
        disk::read(&args.state, name, limit).unwrap_or_else(|error| {
            let path = args.state.join(name);
            say(&format!("{} can't be read: {error}; the gateway goes on without it.", path.display()));
            Vec::new()
        })
    };
    let wifi = !loaded.config.uplink.wifi.is_empty();
    let start = Start {
        version: env!("CARGO_PKG_VERSION").into(),
        config: loaded.config,
        source: loaded.source,
        problems: loaded.problems,
        journal: read(disk::LEASES, MAX_JOURNAL),
        uplink_record: read(UPLINK_RECORD, MAX_RECORD),
        // Nobody asks for it where the uplink is a cable.
        wifi_record: if wifi { read(WIFI_RECORD, MAX_RECORD) } else { Vec::new() },
        memory_bytes: netlink::memory_bytes(),
        built,
    };
    Gateway::new(start, clock::now(), &mut entropy::KernelEntropy::new())
}
