//! `cargo xtask bench`: measurements that compare two things in one run on one machine. Numbers of different days or
//! machines say nothing about each other; the ratio does.

mod boot;

use anyhow::Result;

/// What the command line may say.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Time to the first DHCPOFFER against the same kernel with a first process that powers off at once
    Boot(boot::Args),
}

/// Runs the verb.
pub fn run(args: Args) -> Result<()> {
    match args.what {
        What::Boot(args) => boot::run(&args),
    }
}
