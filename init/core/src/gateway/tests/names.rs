//! Names of hosts and of leases on their way to the DNS.

use super::ip;
use super::lab::Lab;
use crate::config::{self, Config};
use crate::dhcp_server::{Action, Cast, DhcpServer, Settings};
use crate::dns::MAX_NAMES;
use crate::time::{Duration, Instant, WallTime};
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

fn read(text: &str) -> Config {
    config::parse(text.as_bytes()).unwrap()
}

/// A journal of so many leases, each with a name that comes before `zoo` in the alphabet. The first ten last an hour
/// less.
fn journal(config: &Config, leases: u16) -> Vec<u8> {
    let settings = Settings {
        offers_per_second: u32::MAX,
        probe: false,
        rapid_commit: true,
        ..Settings::new(config, config.lan.address)
    };
    let (now, mut journal) = (Instant::from_secs(1), Vec::new());
    let mut server = DhcpServer::new(settings, now);
    for number in 0..leases {
        let mut discover = vec![0; 236];
        discover[..4].copy_from_slice(&[1, 1, 6, 0]);
        discover[28..34].copy_from_slice(&[[2, 0, 0, 1].as_slice(), &number.to_be_bytes()].concat());
        let hours: u32 = if number < 10 { 11 } else { 12 };
        discover.extend([99, 130, 83, 99, 53, 1, 1, 80, 0, 51, 4]);
        discover.extend((hours * 3600).to_be_bytes());
        discover.extend([12, 6]);
        discover.extend(format!("a{number:05}").bytes());
        discover.push(255);
        server.handle_packet(&discover, Cast::Broadcast, now, WallTime(1_700_000_000));
        while let Some(action) = server.poll_action() {
            match action {
                Action::Append { sequence, bytes } => {
                    journal.extend(bytes);
                    server.handle_stored(sequence);
                }
                Action::Replace { sequence, bytes } => {
                    journal = bytes;
                    server.handle_stored(sequence);
                }
                _ => {}
            }
        }
    }
    journal
}

#[test]
fn static_beats_dynamic_also_where_there_are_more_names_than_places() {
    let pool = "[lan]\naddress = \"10.0.0.1/18\"\n[dhcp]\npool = \"10.0.1.0-10.0.40.0\"\nprobe = false\n";
    let config = read(&format!("{pool}[[host]]\nname = \"zoo\"\naddress = \"10.0.0.9\"\n"));
    let mut lab = Lab::new(config.clone());
    let over = 7;
    // The gateway and the host have a place each.
    lab.journal = journal(&config, MAX_NAMES as u16 - 2 + over);
    lab.restart(config);
    lab.look();
    let names = lab.gateway.answer("names", lab.now);
    assert!(names.contains("10.0.0.9        zoo.home.arpa"), "the host has its place");
    assert_eq!(names.lines().count(), MAX_NAMES);
    let trouble = format!("the DNS holds {MAX_NAMES} names of machines; {over} leases are without one");
    assert!(lab.status().contains(&trouble), "{}", lab.status());
    let said = |lab: &Lab, what: &str| lab.gateway.answer("log", lab.now).matches(what).count();
    assert_eq!(said(&lab, "Too many names"), 1);
    assert!(lab.lan_client(7).is_some());
    assert!(lab.status().contains(&trouble.replace("7 leases", "8 leases")), "{}", lab.status());
    assert_eq!(said(&lab, "Too many names"), 1, "not for each that comes");
    // Eleven hours, and a quarter of them after a restart.
    lab.run(Duration::from_secs(14 * 3600));
    assert!(!lab.status().contains("names of machines"), "{}", lab.status());
    assert_eq!(said(&lab, "holds the names of all leases again"), 1);
}

#[test]
fn static_beats_dynamic_a_client_cannot_have_the_name_of_an_alias() {
    let text = "[[host]]\nname = \"nas\"\naddress = \"10.0.0.9\"\naliases = [\"kettle7\"]\n";
    let mut lab = Lab::new(read(text));
    lab.look();
    let address = lab.lan_client(7).unwrap();
    let leases = lab.gateway.answer("leases", lab.now);
    assert!(leases.contains(&format!("{address}")) && !leases.contains("kettle7"), "{leases}");
    assert!(!lab.gateway.answer("names", lab.now).contains(&format!("{address}")));
    assert_ne!(address, ip("10.0.0.9"));
}
