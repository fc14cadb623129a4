//! `cargo xtask check-config FILE`: says what is wrong with a `gateway.toml`, or what the gateway would do with it.
//! It is the very check that the gateway makes, so a file that passes here is taken over there.

use anyhow::Context as _;
use gatepost_core::config::{self, Addressing, Config, MAX_CONFIG_BYTES};
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What the command line may say.
#[derive(clap::Args)]
pub struct Args {
    /// The file to check
    file: PathBuf,
}

/// Runs the verb. A mistake in the file ends with exit code 1 and without a stack trace: it is nobody's bug.
pub fn run(args: Args) -> anyhow::Result<()> {
    let config = check(&args.file).unwrap_or_else(|error| {
        eprintln!("{error:#}");
        std::process::exit(1)
    });
    println!("{} is fine. The gateway would do this:\n\n{}", args.file.display(), summary(&config));
    Ok(())
}

/// Reads and checks a file; its problems are the error's text, one a line.
pub fn check(file: &Path) -> anyhow::Result<Config> {
    let bytes = read(file).with_context(|| format!("cannot read {}", file.display()))?;
    config::parse(&bytes).map_err(|problems| {
        let name = file.display().to_string();
        let mut text: Vec<String> = problems.list().iter().map(|problem| problem.in_file(&name)).collect();
        if problems.unlisted() > 0 {
            text.push(format!("and {} more", problems.unlisted()));
        }
        anyhow::anyhow!("the gateway would refuse this file\n{}", text.join("\n"))
    })
}

/// At most one byte more than the gateway would read, so that a disk image given by mistake does not fill the memory.
fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(as_typed(file))?.take(MAX_CONFIG_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// xtask works at the top of the source tree, but a path on the command line means the folder where it was typed.
pub fn as_typed(file: &Path) -> PathBuf {
    std::env::var_os("PWD").map_or_else(|| file.to_path_buf(), |folder| Path::new(&folder).join(file))
}

/// A few lines for a person.
fn summary(config: &Config) -> String {
    let mut lines = vec![
        ("name", format!("{0}, also {0}.{1}", config.hostname, config.domain)),
        ("internet", uplink(config)),
        ("LAN", format!("{} on {}{}", config.lan.address, config.lan.interface, alternative(config))),
        ("leases", leases(config)),
        ("DNS", dns(config)),
    ];
    for host in &config.hosts {
        let address = host.address.map_or_else(|| String::from("an address of the pool"), |own| own.to_string());
        let macs: Vec<String> = host.macs.iter().map(ToString::to_string).collect();
        let owner = if macs.is_empty() { String::new() } else { format!(" for {}", macs.join(", ")) };
        lines.push(("host", format!("{} is {address}{owner}", host.name)));
    }
    lines.iter().fold(String::new(), |mut text, (what, value)| {
        let _ = writeln!(text, "  {what:<9} {value}");
        text
    })
}

fn uplink(config: &Config) -> String {
    let uplink = &config.uplink;
    let address = match uplink.addressing {
        Addressing::Dhcp => String::from("address from the network (DHCP)"),
        Addressing::Static { address, gateway: Some(gateway) } => format!("address {address}, router {gateway}"),
        Addressing::Static { address, gateway: None } => {
            format!("address {address}, no router: no way to the internet")
        }
    };
    let names: Vec<&str> = uplink.wifi.iter().map(|network| network.ssid.as_str()).collect();
    let wifi = if names.is_empty() { String::new() } else { format!(", Wi-Fi {}", names.join(" or ")) };
    format!("on {}, {address}{wifi}", uplink.interface)
}

fn alternative(config: &Config) -> String {
    config.lan.alternative.map_or_else(String::new, |other| format!(", or {other} if the uplink has the same network"))
}

fn leases(config: &Config) -> String {
    let (first, last) = config.dhcp.pool;
    let seconds = config.dhcp.lease.as_secs();
    let time = match (seconds % 3600, seconds % 60) {
        (0, _) => format!("{} h", seconds / 3600),
        (_, 0) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    };
    format!("{first} to {last} for {time}")
}

fn dns(config: &Config) -> String {
    let servers: Vec<String> = config.dns.upstream.iter().map(ToString::to_string).collect();
    let asked =
        if servers.is_empty() { String::from("the servers that the network names") } else { servers.join(", ") };
    let log = if config.dns.log_queries { "; every query is logged" } else { "" };
    format!("asks {asked}{log}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_file_is_summed_up() {
        let file = "[uplink]\nwifi = [{ ssid = \"CAFE\", passphrase = \"12345678\" }]\n[[host]]\nname = \"tv\"\naddress = \"10.0.0.2\"";
        let text = summary(&config::parse(file.as_bytes()).unwrap());
        assert_eq!(
            text,
            "  name      gatepost, also gatepost.home.arpa\n  \
               internet  on wlan0, address from the network (DHCP), Wi-Fi CAFE\n  \
               LAN       10.0.0.1/24 on eth0\n  \
               leases    10.0.0.10 to 10.0.0.128 for 12 h\n  \
               DNS       asks the servers that the network names\n  \
               host      tv is 10.0.0.2\n"
        );
    }

    /// What the documents show is what people type.
    #[test]
    fn the_examples_of_the_documents_are_sound() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for page in ["README.md", "image/gateway.toml.md", "overlays/boot/selector/gateway.toml"] {
            let text = std::fs::read_to_string(top.join(page)).unwrap();
            let examples: Vec<&str> = match page.ends_with(".toml") {
                true => vec![&text],
                false => text.split("\n```toml\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect(),
            };
            assert!(!examples.is_empty(), "{page} shows no example");
            for example in examples {
                let config = config::parse(example.as_bytes());
                assert!(config.is_ok(), "{page}\n{example}\n{}", config.unwrap_err());
            }
        }
    }

    #[test]
    fn problems_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my.toml");
        std::fs::write(&path, "lann = 1\n").unwrap();
        let error = check(&path).unwrap_err().to_string();
        let message = "my.toml:1:1: lann: this key is not known here; did you mean lan?";
        assert!(error.starts_with("the gateway would refuse this file\n") && error.ends_with(message), "{error}");
    }
}
