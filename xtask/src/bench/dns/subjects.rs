//! The servers that are measured, each set up to keep all names in memory and to ask one server for the rest.

use super::{AUTHORITY, SERVED, release};
use anyhow::{Context, Result};
use std::fmt;
use std::fs;
use std::path::{Path, absolute};
use std::process::Command;

/// One of them.
#[derive(Clone, Copy)]
pub enum Subject {
    /// The gateway process.
    Gateway,
    /// Debian's dnsmasq.
    Dnsmasq,
    /// Debian's unbound, one thread, no validation.
    Unbound,
    /// The loop that only sends back.
    Floor,
}

impl Subject {
    /// In the order they are measured in. The gateway first: it sets up the interfaces and the packet filter for all.
    pub const ALL: [Subject; 4] = [Subject::Gateway, Subject::Dnsmasq, Subject::Unbound, Subject::Floor];

    pub fn name(self) -> &'static str {
        match self {
            Subject::Gateway => "gateway",
            Subject::Dnsmasq => "dnsmasq",
            Subject::Unbound => "unbound",
            Subject::Floor => "floor",
        }
    }

    /// Adds program and arguments, and writes the files they name to `folder`.
    pub fn complete(self, command: &mut Command, folder: &Path) -> Result<()> {
        match self {
            Subject::Gateway => {
                let config = format!(
                    "[uplink]\ninterface = \"eth1\"\naddress = \"192.168.77.2/24\"\n[lan]\naddress = \"{SERVED}/24\"\n\
                     [dns]\nupstream = [\"{AUTHORITY}\"]\n"
                );
                fs::write(folder.join("run/gateway.toml"), config)?;
                command.arg(absolute(release("gatepost"))?).arg("gateway");
                command.arg("--config").arg(folder.join("run/gateway.toml"));
                command.arg("--state").arg(folder.join("state"));
                command.arg("--control").arg(folder.join("run/control.sock"));
            }
            Subject::Dnsmasq => {
                command.args(["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"]);
                command.args(["--user=root", "--pid-file", "--cache-size=10000", "--interface=eth0"]);
                command.args(["--bind-interfaces", &format!("--server={AUTHORITY}")]);
            }
            Subject::Unbound => {
                let config = format!(
                    "server:\n interface: {SERVED}\n access-control: 10.0.0.0/8 allow\n num-threads: 1\n username: \"\"\n\
                     \n chroot: \"\"\n pidfile: \"\"\n use-syslog: no\n do-daemonize: no\n module-config: \"iterator\"\n\
                     forward-zone:\n name: \".\"\n forward-addr: {AUTHORITY}\nremote-control:\n control-enable: no\n"
                );
                fs::write(folder.join("unbound.conf"), config)?;
                command.args(["unbound", "-d", "-c"]).arg(folder.join("unbound.conf"));
            }
            Subject::Floor => {
                command.arg(absolute(release("examples/dns_floor"))?).arg(format!("{SERVED}:53"));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What was measured, in one line.
pub fn versions() -> Result<String> {
    let first = |program: &str, argument: &str| -> Result<String> {
        let output = Command::new(program).arg(argument).output().with_context(|| program.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let line = text.lines().find(|line| line.contains(|c: char| c.is_ascii_digit())).unwrap_or_default();
        Ok(line.split("  ").next().unwrap_or_default().trim().to_string())
    };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let (dnsmasq, unbound) = (first("dnsmasq", "--version")?, first("unbound", "-V")?);
    let (nsd, dnsperf) = (first("nsd", "-v")?, first("dnsperf", "-h")?);
    Ok(format!(
        "gatepost {}, {dnsmasq}, {unbound}, {nsd}, dnsperf ({dnsperf}), Linux {}, {}",
        env!("CARGO_PKG_VERSION"),
        kernel.trim(),
        std::env::consts::ARCH
    ))
}
