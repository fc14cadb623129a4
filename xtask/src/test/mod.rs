//! Every test, ring by ring: what is quick and close to the code first, what boots a machine last.

mod report;
pub mod tools;
pub mod wifi_lab;

use crate::{check, image};
use anyhow::{Result, ensure};
use report::Report;
use std::process::Command;

/// What the command line may say.
#[derive(clap::Args)]
pub struct Args {
    /// Only these rings (default: all, in this order)
    #[arg(value_enum)]
    rings: Vec<Ring>,
}

/// The rings, from the inside out.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Ring {
    /// Formatting, lints, the fence between machines
    Check,
    /// Unit and property tests of every package
    Unit,
    /// Millions of random and mutated packets into every decoder; a household with everything that can go wrong
    Fuzz,
    /// The gateway on this kernel, in network namespaces, against other people's programs
    Netns,
    /// The image, looked at by other people's programs
    Image,
    /// The image, booted
    Qemu,
    /// The image, booted beside emulated radios and other people's access points
    Wifi,
}

const ALL: [Ring; 7] = [Ring::Check, Ring::Unit, Ring::Fuzz, Ring::Netns, Ring::Image, Ring::Qemu, Ring::Wifi];

/// Builds what a ring runs.
fn cargo_build(arguments: &[&str]) -> Result<()> {
    let status = Command::new(env!("CARGO")).arg("build").args(arguments).status()?;
    ensure!(status.success(), "`cargo build {}` failed", arguments.join(" "));
    Ok(())
}

/// Runs the rings and closes with the counts.
pub fn run(args: Args) -> Result<()> {
    let rings = if args.rings.is_empty() { ALL.to_vec() } else { args.rings };
    tools::ensure(rings.iter().any(|ring| matches!(ring, Ring::Netns | Ring::Image | Ring::Qemu | Ring::Wifi)))?;
    let mut report = Report::new();
    for ring in rings {
        match ring {
            Ring::Check => report.step("check", || check::run(check::Args {})),
            Ring::Unit => report.cargo_test("unit", &["--workspace", "--lib", "--bins"]),
            Ring::Fuzz => {
                let tests = ["--profile", "fuzz", "-p", "tests", "--test", "fuzz", "--test", "sim"];
                report.cargo_test("fuzz", &tests);
            }
            Ring::Netns => {
                report.step("gateway build", || cargo_build(&["-p", "init"]));
                let tests = ["-p", "tests", "--test", "netns", "--test", "netns_ruleset", "--", "--test-threads=1"];
                report.cargo_test("netns", &tests);
            }
            Ring::Image => {
                report.step("image build", || image::run(image::Args::default()));
                report.cargo_test("image", &["-p", "tests", "--test", "image"]);
            }
            Ring::Qemu => report.cargo_test("qemu", &["-p", "tests", "--test", "qemu", "--", "--test-threads=1"]),
            Ring::Wifi => {
                report.step("wifi helper", wifi_lab::build);
                report.cargo_test("wifi", &["-p", "tests", "--test", "wifi", "--", "--test-threads=1"]);
            }
        }
    }
    report.close()
}
