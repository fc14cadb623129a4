//! The only door to the build. One module a verb; this file only dispatches.

mod bench;
mod check;
mod check_config;
mod flash;
mod image;
mod import;
mod ingredients;
mod lock;
mod progress;
mod qemu;
mod test;
mod tree;

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Build, flash, boot and test Gatepost.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
enum Verb {
    /// Build the card's image
    Image(image::Args),
    /// Write the image to an SD card and verify it by reading back
    Flash(flash::Args),
    /// Boot the image in QEMU with a LAN and an uplink
    Qemu(qemu::Args),
    /// Run every test; the command that CI runs
    Test(test::Args),
    /// Formatting, lints and the fence between the rooms; no test
    Check(check::Args),
    /// Say what is wrong with a gateway.toml, without a card
    CheckConfig(check_config::Args),
    /// Make a gateway.toml out of the files of dnsmasq, netplan, hosts and iptables
    Import(import::Args),
    /// Measure, side by side in one run
    Bench(bench::Args),
    /// Renew image/packages.lock, and that of the Wi-Fi lab, from the mirror
    Lock(lock::Args),
}

fn main() -> ExitCode {
    match run(Verb::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        // What a user did or lacks is nobody's bug, so no stack trace whatever RUST_BACKTRACE says.
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> anyhow::Result<()> {
    std::env::set_current_dir(workspace())?;
    match verb {
        Verb::Image(args) => image::run(args),
        Verb::Flash(args) => flash::run(args),
        Verb::Qemu(args) => qemu::run(args),
        Verb::Test(args) => test::run(args),
        Verb::Check(args) => check::run(args),
        Verb::CheckConfig(args) => check_config::run(args),
        Verb::Import(args) => import::run(args),
        Verb::Bench(args) => bench::run(args),
        Verb::Lock(args) => lock::run(args),
    }
}

/// The top of the source tree.
fn workspace() -> PathBuf {
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    path.pop();
    path
}
