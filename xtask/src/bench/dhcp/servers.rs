//! The servers that are compared, each set up for the same network: 10.0.0.1/16, 64,000 addresses, leases of 12 hours.
//! What costs the others time and is not part of the comparison is off: dnsmasq's ping before an offer, its log and its
//! DNS, Kea's cleaning of its lease file.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The interface that is served.
pub const LAN: &str = "lan0";

/// A server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// Ours.
    Gateway,
    /// Debian's dnsmasq, with its lease file.
    Dnsmasq,
    /// Debian's Kea, with its lease file (memfile).
    Kea,
}

/// In the order of trials.
pub const ALL: [Server; 3] = [Server::Dnsmasq, Server::Kea, Server::Gateway];

impl Server {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Dnsmasq => "dnsmasq",
            Self::Kea => "kea",
        }
    }

    /// The program with its arguments; `folder` is empty and its own.
    pub fn command(self, binary: &Path, folder: &Path) -> Result<Vec<String>> {
        let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        Ok(match self {
            Self::Gateway => {
                fs::create_dir(folder.join("state"))?;
                fs::write(folder.join("gateway.toml"), GATEWAY)?;
                let (config, state, control) = (path("gateway.toml"), path("state"), path("control.sock"));
                let program = binary.to_str().context("a plain path")?;
                words(&[program, "gateway", "--config", &config, "--state", &state, "--control", &control])
            }
            Self::Dnsmasq => {
                let leases = format!("--dhcp-leasefile={}", path("leases"));
                let range = "--dhcp-range=10.0.1.0,10.0.250.255,255.255.0.0,12h";
                let fixed = ["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--no-ping"];
                let more = ["--interface=lan0", "--dhcp-lease-max=70000", "--dhcp-authoritative", "--quiet-dhcp"];
                let pid = format!("--pid-file={}", path("pid"));
                words(&[&["/usr/sbin/dnsmasq", range, &leases, &pid][..], &fixed, &more].concat())
            }
            Self::Kea => {
                fs::write(folder.join("kea.json"), KEA.replace("LEASES", &path("leases.csv")))?;
                words(&["/usr/sbin/kea-dhcp4", "-c", &path("kea.json")])
            }
        })
    }
}

/// Only what the comparison needs differs from a plain configuration: the size of the network, and the limit that
/// protects a small machine from invented clients.
const GATEWAY: &str = "
[uplink]
interface = \"up0\"
[lan]
interface = \"lan0\"
address = \"10.0.0.1/16\"
[dhcp]
pool = \"10.0.1.0-10.0.250.255\"
offers_per_second = 100000
";

const KEA: &str = r#"{ "Dhcp4": {
  "interfaces-config": { "interfaces": ["lan0"] },
  "lease-database": { "type": "memfile", "persist": true, "name": "LEASES", "lfc-interval": 0 },
  "valid-lifetime": 43200,
  "subnet4": [ { "subnet": "10.0.0.0/16", "pools": [ { "pool": "10.0.1.0 - 10.0.250.255" } ],
    "option-data": [ { "name": "routers", "data": "10.0.0.1" }, { "name": "domain-name-servers", "data": "10.0.0.1" } ] } ],
  "loggers": [ { "name": "kea-dhcp4", "severity": "ERROR", "output_options": [ { "output": "stderr" } ] } ]
} }"#;

/// How the servers were set up, for people.
pub fn settings() -> String {
    let limit = "the limit of 100 offers a second raised to 100,000";
    format!(
        "settings: a /16 with 64,000 addresses for all; gateway: plain, {limit}, ACK after fdatasync; \
         dnsmasq: --no-ping, no DNS, lease file; Kea: memfile, persistent, without lease file cleanup"
    )
}

/// What was measured, a line.
pub fn versions() -> Result<String> {
    let first = |program: &str, argument: &str| -> Result<String> {
        let output = Command::new(program).arg(argument).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.lines().next().unwrap_or_default().trim().to_owned())
    };
    let dnsmasq = first("/usr/sbin/dnsmasq", "--version")?;
    let dnsmasq = dnsmasq.split("  ").next().unwrap_or_default();
    let kernel = first("uname", "-rm")?;
    Ok(format!(
        "gatepost {}, {dnsmasq}, Kea {} (memfile), perfdhcp {}, Linux {kernel}",
        env!("CARGO_PKG_VERSION"),
        first("/usr/sbin/kea-dhcp4", "-v")?,
        first("/usr/sbin/perfdhcp", "-v")?
    ))
}
