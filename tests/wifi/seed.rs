//! The set-up that the project grew out of, as it stood in an article about a cluster of Pis: rpi1 is the gateway, static
//! 192.168.0.51/24 on wlan0 and 10.0.0.1/24 on eth0; rpi2, rpi3 and rpi4 have fixed leases, names, and the internet through it.
//! First with a mistyped password, which costs the LAN nothing and is corrected on the boot partition; then the same card
//! moves house: another network, another subnet, DHCP.

use crate::bed::{Bed, SOON, test};
use anyhow::{Context, Result, ensure};
use qemu::lab::{Client, House, Program, uplink};
use qemu::wifi::{Air, Security};
use std::net::Ipv4Addr;

/// What the article has, in one file.
const CONFIG: &str = r#"
hostname = "rpi1"
domain = "mydomain.net"

[uplink]
interface = "wlan0"
country = "US"
wifi = [{ ssid = "MY-WIFI-NAME", passphrase = "MY-PASSWORD" }]
address = "192.168.0.51/24"
gateway = "192.168.0.1"

[lan]
interface = "eth0"
address = "10.0.0.1/24"

[dhcp]
pool = "10.0.0.10-10.0.0.128"
lease = "12h"

[[host]]
name = "rpi2"
mac = "02:67:70:00:00:01"
address = "10.0.0.2"

[[host]]
name = "rpi3"
mac = "02:67:70:00:00:02"
address = "10.0.0.3"

[[host]]
name = "rpi4"
mac = "02:67:70:00:00:03"
address = "10.0.0.4"

[dns]
upstream = ["8.8.8.8", "8.8.4.4"]
log_queries = true
"#;

/// The article's home: its router, and the name servers that it asks.
const ARTICLE: House =
    House { router: Ipv4Addr::new(192, 168, 0, 1), resolvers: &[Ipv4Addr::new(8, 8, 8, 8), Ipv4Addr::new(8, 8, 4, 4)] };

/// The gateway's fixed address there.
const FIXED: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 51);

/// The next home.
const NEXT: House = House { router: Ipv4Addr::new(192, 168, 178, 1), resolvers: ARTICLE.resolvers };

/// The nodes and their addresses.
const NODES: [(&str, &str); 3] = [("rpi2", "10.0.0.2"), ("rpi3", "10.0.0.3"), ("rpi4", "10.0.0.4")];

#[test]
fn the_articles_cluster_works_and_moves_house() {
    let mistyped = CONFIG.replace("MY-PASSWORD", "MY-PASSWORT");
    test("the_articles_cluster_works_and_moves_house", &mistyped, |bed| {
        bed.lab.uplink_mut().move_to(ARTICLE)?;
        let air = Air::new("wlan1", "MY-WIFI-NAME", Security::Wpa2, "MY-PASSWORD");
        air.start(&mut bed.vm)?;
        let nodes = NODES.map(|(name, _)| bed.leased(name));
        let nodes = nodes.into_iter().collect::<Result<Vec<_>>>()?;
        let nodes: Vec<(Client, Program)> = nodes.into_iter().map(|(client, _, runs)| (client, runs)).collect();
        wrong_password(bed, &nodes).context("with a wrong password")?;

        bed.edited(CONFIG)?;
        air.start(&mut bed.vm)?;
        the_cluster(bed, &nodes, FIXED).context("with the right password")?;
        ensure!(bed.lab.uplink().gateway_address().is_none(), "a fixed address asks no DHCP server");

        bed.lab.uplink_mut().move_to(NEXT)?;
        let fixed = "address = \"192.168.0.51/24\"\ngateway = \"192.168.0.1\"\n";
        bed.edited(
            &CONFIG.replace("MY-WIFI-NAME", "NEXT-HOME").replace("MY-PASSWORD", "NEXT-PASSWORD").replace(fixed, ""),
        )?;
        Air::new("wlan1", "NEXT-HOME", Security::Wpa3, "NEXT-PASSWORD").start(&mut bed.vm)?;
        let leased = bed.vm.until("a lease on the uplink", 3 * SOON, |_| Ok(bed.lab.uplink().gateway_address()))?;
        ensure!(leased.octets()[..3] == NEXT.router.octets()[..3], "{leased} is not of the next home");
        the_cluster(bed, &nodes, leased).context("in the next home")
    });
}

/// The LAN is served, and the status says in plain words what is wrong.
fn wrong_password(bed: &mut Bed, nodes: &[(Client, Program)]) -> Result<()> {
    bed.vm.until("the reason in plain words", 2 * SOON, |vm| {
        Ok(vm.console().find("the password for \"MY-WIFI-NAME\" was refused by", 0))
    })?;
    names(bed, nodes)?;
    let said = bed.asked(b'w', "was refused by")?;
    ensure!(!said.contains("MY-PASSWORT"), "the console shows the password: {said}");
    Ok(())
}

/// Leases, names, the internet.
fn the_cluster(bed: &mut Bed, nodes: &[(Client, Program)], outside: Ipv4Addr) -> Result<()> {
    names(bed, nodes)?;
    for (client, _) in nodes {
        drop(bed.crosses(client)?);
        let answer = client.run("dig", &["+short", "+time=3", "+tries=3", uplink::NAME], SOON)?;
        ensure!(answer.trim() == uplink::WEB.to_string(), "{} is said to be “{}”", uplink::NAME, answer.trim());
    }
    let peers = bed.lab.uplink().web().peers();
    ensure!(peers.last().is_some_and(|peer| peer.ip() == outside), "seen: {peers:?}, not {outside}");
    Ok(())
}

/// Each node has its fixed address, and all know each other by name.
fn names(bed: &mut Bed, nodes: &[(Client, Program)]) -> Result<()> {
    for ((client, _), (name, address)) in nodes.iter().zip(NODES) {
        let lease = client.lease()?.with_context(|| format!("{name} has no lease"))?;
        ensure!(lease.address.to_string() == address, "{name} got {}, not {address}", lease.address);
        for (other, wanted) in NODES.into_iter().chain([("rpi1", "10.0.0.1"), ("rpi1.mydomain.net", "10.0.0.1")]) {
            let answer = bed.vm.until(&format!("the name {other} on {name}"), 3 * SOON, |_| {
                let said = client.run("dig", &["+short", "+time=2", "+tries=1", other], SOON).unwrap_or_default();
                Ok((!said.trim().is_empty()).then(|| said.trim().to_owned()))
            })?;
            ensure!(answer == wanted, "{other} is said to be {answer} on {name}");
        }
    }
    Ok(())
}
