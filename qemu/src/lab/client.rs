//! A client on the LAN: a namespace with one cable to the switch, and the programs that people use there.

use super::namespace::Namespace;
use super::program::{self, Program};
use crate::frames::PacketSocket;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What busybox's udhcpc calls at each change. It configures the interface as a plain network set-up would and leaves a
/// file with what the server said.
const SCRIPT: &str = r#"#!/bin/sh
case "$1" in
deconfig)
    rm -f "$GATEPOST_CLIENT/lease"
    ip -4 addr flush dev "$interface"
    ip link set "$interface" up
    ;;
bound | renew)
    ip addr replace "$ip/$mask" dev "$interface"
    for hop in $router; do ip route replace default via "$hop"; done
    {
        for word in $domain; do echo "search $word"; done
        for server in $dns; do echo "nameserver $server"; done
    } > "$GATEPOST_CLIENT/resolv.conf"
    {
        echo "ip=$ip"; echo "mask=$mask"; echo "router=$router"; echo "dns=$dns"; echo "domain=$domain"
        echo "lease=$lease"; echo "serverid=$serverid"; echo "hostname=$hostname"
    } > "$GATEPOST_CLIENT/lease.new"
    mv "$GATEPOST_CLIENT/lease.new" "$GATEPOST_CLIENT/lease"
    ;;
esac
"#;

/// What the DHCP server said, as udhcpc understood it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The client's address.
    pub address: Ipv4Addr,
    /// All values by udhcpc's names: ip, mask, router, dns, domain, lease, serverid, hostname.
    pub values: BTreeMap<String, String>,
}

/// A client. Its interface is called `eth0` and is up from the start.
#[derive(Debug)]
pub struct Client {
    namespace: Namespace,
    mac: [u8; 6],
    folder: PathBuf,
}

impl Client {
    /// The client's end of a cable that is there already.
    pub(super) fn new(namespace: Namespace, mac: [u8; 6], folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("resolv.conf"), "")?;
        let script = folder.join("udhcpc.sh");
        fs::write(&script, SCRIPT)?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        Ok(Self { namespace, mac, folder })
    }

    /// Its hardware address.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// A program on this client, which resolves names as the lease says.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        self.namespace.command_with_resolver(program, &self.folder.join("resolv.conf"))
    }

    /// Runs a program on this client and gives its stdout.
    ///
    /// # Errors
    /// It fails or does not end in time.
    pub fn run(&self, program: &str, words: &[&str], timeout: Duration) -> Result<String> {
        let mut command = self.command(program);
        command.args(words);
        program::run(command, timeout)
    }

    /// Starts busybox's DHCP client; it asks every second until it has a lease and keeps it renewed.
    ///
    /// # Errors
    /// It is not installed.
    pub fn start_udhcpc(&self, hostname: &str) -> Result<Program> {
        let mut command = self.command("busybox");
        // -C: known by its hardware address, so that a message of our own can speak for it.
        command.args(["udhcpc", "-f", "-C", "-i", "eth0", "-t", "5", "-T", "1", "-A", "1"]);
        command.arg("-s").arg(self.folder.join("udhcpc.sh"));
        command.arg("-x").arg(format!("hostname:{hostname}"));
        command.env("GATEPOST_CLIENT", &self.folder);
        Program::start(command, &self.folder.join("udhcpc.log"))
    }

    /// The lease that udhcpc holds, if any.
    ///
    /// # Errors
    /// The file that udhcpc's script left makes no sense.
    pub fn lease(&self) -> Result<Option<Lease>> {
        match fs::read_to_string(self.folder.join("lease")) {
            Ok(text) => lease(&text).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// A raw socket on the client's interface.
    ///
    /// # Errors
    /// The caller is not root.
    pub fn packet_socket(&self) -> Result<PacketSocket> {
        self.namespace.run(|| PacketSocket::open("eth0"))
    }

    /// Where its logs are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

fn lease(text: &str) -> Result<Lease> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let values: BTreeMap<_, _> = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let address = values.get("ip").context("the lease has no address")?;
    Ok(Lease { address: address.parse().with_context(|| format!("“{address}” is no address"))?, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_script_writes_is_read() {
        let lease = lease("ip=10.0.0.17\nmask=24\ndns=10.0.0.1\ndomain=a b\n").unwrap();
        assert_eq!(lease.address, Ipv4Addr::new(10, 0, 0, 17));
        assert_eq!(lease.values["domain"], "a b");
        assert!(super::lease("mask=24").is_err());
    }
}
