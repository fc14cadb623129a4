//! Clients that hold a lease of the network that the LAN was on before.

use super::*;

/// Where the LAN is then, by its alternative or by another `lan.address`.
fn moved() -> Settings {
    let lan = "172.20.0.1/24".parse().unwrap();
    let move_to = |address: Ipv4Addr| Ipv4Addr::new(172, 20, 0, address.octets()[3]);
    let before = settings();
    let hosts = before.hosts.iter().map(|host| Host { address: host.address.map(move_to), ..host.clone() });
    Settings {
        lan,
        elsewhere: Some(before.lan),
        pool: (move_to(before.pool.0), move_to(before.pool.1)),
        hosts: hosts.collect(),
        ..before
    }
}

impl Lab {
    fn hear(&mut self, source: Ipv4Addr, packet: &Packet) -> Vec<Sent> {
        self.server.handle_left_behind(source, &packet.bytes(), self.now, self.wall);
        self.drain();
        core::mem::take(&mut self.sent)
    }

    fn move_lan(&mut self) {
        self.server.reconfigure(moved(), self.now);
        self.drain();
    }

    /// An address of the network after the move, with two messages (RFC 4039).
    fn lease_there(&mut self, last: u8) -> Ipv4Addr {
        let ack = self.ask(&Packet::new(DISCOVER, last).option(80, &[]));
        assert_eq!((ack.kind(), &ack.yiaddr().octets()[..3]), (ACK, &[172, 20, 0][..]));
        ack.yiaddr()
    }

    /// Whether a client that rebinds its old address is told to begin anew.
    fn refuses(&mut self, last: u8, address: Ipv4Addr) -> bool {
        match &self.hear(address, &Packet::new(REQUEST, last).ciaddr(address))[..] {
            [] => false,
            [sent] => {
                assert_eq!((sent.kind(), sent.to), (NAK, Destination::Broadcast));
                let server = if address.octets()[0] == 10 { SERVER } else { Ipv4Addr::new(172, 20, 0, 1) };
                assert_eq!(sent.option(54), Some(&server.octets()[..]), "by the name under which the client knows us");
                true
            }
            more => panic!("{more:?}"),
        }
    }
}

#[test]
fn rfc2131_4_3_2_who_rebinds_an_address_of_the_network_before_is_refused_and_gets_another() {
    let mut lab = Lab::new();
    let old = lab.lease(9);
    assert!(!lab.server.has_left_behind() && !lab.refuses(9, old), "there was no other network");
    lab.move_lan();
    assert!(lab.server.has_left_behind() && lab.refuses(9, old));
    lab.lease_there(9);
    assert!(lab.refuses(8, ip(77)), "whatever is known of it");
}

#[test]
fn nothing_but_a_refusal_comes_of_what_is_heard_from_outside_the_lan() {
    let mut lab = Lab::new();
    let old = lab.lease(9);
    lab.move_lan();
    let new = lab.lease_there(9);
    let leases = lab.server.leases().cloned().collect::<Vec<_>>();
    let server = Ipv4Addr::new(172, 20, 0, 1);
    for kind in 0..=18 {
        for ciaddr in [old, new, ip(78), Ipv4Addr::UNSPECIFIED] {
            let packet = Packet::new(kind, 9).ciaddr(ciaddr);
            for packet in [packet.clone(), packet.clone().requested(new), packet.server(server)] {
                for source in [old, new, Ipv4Addr::UNSPECIFIED] {
                    let refused = lab.hear(source, &packet);
                    assert!(refused.iter().all(|sent| sent.kind() == NAK), "{kind} {refused:?}");
                    let extends = kind == REQUEST && ciaddr == old && source == old && !packet.options.contains(&54);
                    assert_eq!(refused.len(), usize::from(extends), "{kind} {ciaddr} {source}");
                }
            }
        }
    }
    let relayed = Packet::new(REQUEST, 9).ciaddr(old).relayed(new);
    assert_eq!(lab.hear(old, &relayed), []);
    assert_eq!(lab.hear(old, &Packet { options: vec![], ..relayed }), []);
    assert_eq!(lab.server.leases().cloned().collect::<Vec<_>>(), leases);
}

#[test]
fn it_lasts_as_long_as_the_longest_of_the_leases() {
    let mut lab = Lab::new();
    let early = lab.lease(8);
    lab.pass(LEASE / 2);
    let late = lab.lease(9);
    lab.move_lan();
    lab.pass(LEASE - 1);
    assert!(lab.refuses(9, late) && lab.refuses(8, early));
    lab.pass(1);
    assert!(!lab.server.has_left_behind() && !lab.refuses(9, late));
    lab.move_lan();
    assert!(!lab.server.has_left_behind(), "it has not moved");
}

#[test]
fn a_crash_and_a_power_cut_after_the_move_do_not_end_it() {
    let mut lab = Lab::new();
    let old = lab.lease(9);
    lab.move_lan();
    lab.restart();
    assert!(lab.refuses(9, old));
    lab.power_cut();
    assert!(lab.refuses(9, old));
    // What a restart adds to a lease is added here too: the journal may know of less than was promised.
    lab.pass(LEASE + LEASE / 4 - 1);
    assert!(lab.refuses(9, old));
    lab.pass(1);
    assert!(!lab.server.has_left_behind());
}

#[test]
fn another_lan_address_in_the_file_leaves_clients_behind_as_well() {
    let mut lab = Lab::new();
    let old = lab.lease(9);
    lab.lease(8);
    lab.server = DhcpServer::new(moved(), lab.now);
    lab.server.restore(&lab.disk.clone(), lab.now, lab.wall);
    lab.drain();
    assert!(lab.refuses(9, old));
    lab.lease_there(9);
}

#[test]
fn a_lan_that_comes_back_leaves_those_of_the_network_between_behind() {
    let mut lab = Lab::new();
    let first = lab.lease(9);
    lab.move_lan();
    let second = lab.lease_there(8);
    lab.server.reconfigure(Settings { elsewhere: Some(moved().lan), ..settings() }, lab.now);
    lab.drain();
    assert!(lab.refuses(8, second) && !lab.refuses(9, first));
    assert_eq!(lab.ask(&Packet::new(DISCOVER, 9)).yiaddr(), first, "the address depends on the client");
}
