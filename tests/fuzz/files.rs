//! What lies on the card: the configuration, journals, snapshots. A worn-out card and a user's editor are strangers too.

use crate::{MILLION, decode, fuzz, stream};
use gatepost_core::config::{self, MAX_PROBLEMS};
use gatepost_core::dhcp_server::{Action, Cast, DhcpServer, Settings};
use gatepost_core::net::MacAddr;
use gatepost_core::store::{journal, snapshot};
use gatepost_core::time::{Instant, WallTime};

/// Every key of a configuration.
const FULL: &str = r#"
hostname = "rpi1"
domain = "mydomain.net"

[uplink]
interface = "wlan0"
country = "DE"
wifi = [{ ssid = "Kitchen", passphrase = "correct horse" }, { ssid = "Guests" }]
address = "192.168.0.51/24"
gateway = "192.168.0.1"

[lan]
interface = "eth0"
address = "10.0.0.1/24"
alternative = "10.1.0.1/24"

[dhcp]
pool = "10.0.0.10-10.0.0.128"
lease = "12h"

[[host]]
name = "rpi2"
mac = "dc:a6:32:00:00:02"
address = "10.0.0.2"

[dns]
upstream = ["9.9.9.9", "8.8.8.8:53", "tls://1.1.1.1"]
log_queries = true
rebind_protection = true
rebind_allow = ["corp.example"]
block = ["ads.txt"]
block_allow = ["good.example"]
block_answer = "zero"

[[dns.record]]
name = "*.apps"
type = "SRV"
value = "0 5 8080 rpi2"
ttl = "1h"

[[dns.forward]]
domain = "corp.example"
upstream = ["10.9.9.9"]
"#;

const SHORT: &str = "[uplink]\ninterface = \"eth1\"\n[lan]\naddress = \"10.0.0.1/24\"\n[dhcp]\nlease = \"1h\"\n";

#[test]
fn config() {
    let words: [&[u8]; 16] = [
        b"\"",
        b"\n",
        b"[[host]]\n",
        b"[lan]\n",
        b"\"\"\"",
        b"'",
        b" = ",
        b"{",
        b"[",
        b"#",
        b"\xef\xbb\xbf",
        b"\0",
        b"-",
        b"address = \"10.0.0.1/8\"\n",
        b"99999999999999999999",
        b"\xc3\xa4",
    ];
    let seeds = vec![FULL.into(), SHORT.into(), b"hostname = \"a\"\n".to_vec(), Vec::new()];
    decode("config", MILLION / 2, stream("config", seeds, 2048).with_words(&words), |file| match config::parse(file) {
        Ok(config) => {
            let (first, last) = config.dhcp.pool;
            assert!(first <= last && config.lan.address.contains(first) && config.lan.address.contains(last));
            assert!(config.hosts.iter().filter_map(|host| host.address).all(|own| config.lan.address.is_host(own)));
            true
        }
        Err(problems) => {
            assert!((1..=MAX_PROBLEMS).contains(&problems.list().len()));
            problems.list().iter().all(|problem| problem.line > 0 && !problem.to_string().is_empty())
                && problems.list().len() > 1
        }
    });
}

/// A journal as the server writes it, with leases of every kind.
fn leases() -> Vec<(u8, Vec<u8>)> {
    let mut server = server();
    let mut written = Vec::new();
    let (now, wall) = (Instant::from_secs(100), WallTime(1_800_000_000));
    server.restore(&[], now, wall);
    for (number, id) in [(1u8, &[][..]), (2, b"\x01abc"), (3, &[7; 255])] {
        let mac = MacAddr([2, 0, 0, 0, 0, number]).0;
        let address = [10, 0, 0, 20 + number];
        let message = crate::traffic::dhcp::Message::new(1, 3, [number; 4], mac).option(50, &address);
        let message = message.option(54, &[10, 0, 0, 1]).option(12, b"kettle").option(61, id).end();
        let discover = crate::traffic::dhcp::Message::new(1, 1, [number; 4], mac).option(50, &address);
        server.handle_packet(&discover.option(61, id).end(), Cast::Broadcast, now, wall);
        server.handle_packet(&message, Cast::Broadcast, now, wall);
        while let Some(action) = server.poll_action() {
            match action {
                Action::Append { bytes, .. } => written.extend(bytes),
                Action::Replace { bytes, .. } => written = bytes,
                _ => {}
            }
        }
    }
    let records: Vec<_> =
        journal::replay(&written).unwrap().map(|record| (record.kind, record.payload.to_vec())).collect();
    assert!(records.iter().filter(|(kind, _)| *kind == 1).count() >= 3, "three leases: {records:?}");
    records
}

fn server() -> DhcpServer {
    let config = config::Config::default();
    // Nobody is asked by ARP first: what is wanted here are records.
    let settings = Settings { probe: false, ..Settings::new(&config, config.lan.address) };
    DhcpServer::new(settings, Instant::from_secs(100))
}

/// A file of these records.
fn file(records: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = journal::Writer::start(1, &mut file);
    for (kind, payload) in records {
        writer.append(*kind, payload, &mut file).unwrap();
    }
    file
}

#[test]
fn journal_bytes() {
    let seeds = vec![file(&leases()), file(&[])];
    decode("journal bytes", 5 * MILLION, stream("journal bytes", seeds, 2048), |bytes| {
        let Ok(mut replay) = journal::replay(bytes) else { return false };
        let records = replay.by_ref().count();
        assert!(replay.good() <= bytes.len() && records * journal::RECORD_OVERHEAD <= bytes.len());
        true
    });
}

#[test]
fn journal_records() {
    // Whole records with bent contents: checksums right, so that the lease table sees them.
    let good = leases();
    let stream = stream("journal records", vec![], 600).with_words(&[&[10, 0, 0, 21], &[255; 4], &[0; 8]]);
    fuzz("journal records", MILLION / 2, stream, |stream| {
        let mut bent = good.clone();
        for (kind, payload) in &mut bent {
            *payload = stream.bend(payload).clone();
            if stream.one_in(4) {
                *kind = stream.below(5) as u8;
            }
        }
        let mut server = server();
        server.restore(&file(&bent), Instant::from_millis(stream.below(1 << 30).into()), WallTime(1_800_000_100));
        while server.poll_action().is_some() {}
        server.leases().count() > 0
    });
}

#[test]
fn snapshots() {
    let (a, b) = (snapshot::encode(7, SHORT.as_bytes()).unwrap(), snapshot::encode(8, b"").unwrap());
    decode("snapshots", 5 * MILLION, stream("snapshots", vec![a.clone(), b], 1024), |bytes| {
        let (_, generation) = snapshot::next(bytes, &a);
        assert!(generation >= 8);
        snapshot::newest(&a, bytes).is_some_and(|(copy, _)| copy == snapshot::Copy::B)
    });
}
