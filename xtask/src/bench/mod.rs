//! `cargo xtask bench`: measurements that compare two things in one run on one machine. Numbers of different days or
//! machines say nothing about each other; the ratio does.

mod boot;
mod dhcp;
mod dns;
mod nat;
mod wifi;

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
    /// Leases a second and their cost, beside dnsmasq and Kea (installs them and perfdhcp from Debian)
    Dhcp(dhcp::Args),
    /// Processor time of a DNS answer out of the cache, against dnsmasq, unbound and a loop that only sends packets back
    Dns(dns::Args),
    /// Instructions a forwarded packet with our packet filter, against three rules of iptables
    Nat(nat::Args),
    /// Time from the radio's start to the first translated packet, against wpa_supplicant
    Wifi(wifi::Args),
}

/// Runs the verb.
pub fn run(args: Args) -> Result<()> {
    match args.what {
        What::Boot(args) => boot::run(&args),
        What::Dhcp(args) => dhcp::run(&args),
        What::Dns(args) => dns::run(&args),
        What::Nat(args) => nat::run(&args),
        What::Wifi(args) => wifi::run(&args),
    }
}

/// The middle value, or the mean of the two middle ones.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len().is_multiple_of(2) { f64::midpoint(values[half - 1], values[half]) } else { values[half] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert!((median(&mut [3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&mut [4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
    }
}
