//! Addresses that somebody has without a lease, other servers, one machine that wants much, and the log.

use super::*;
use crate::frame::Arp;

fn lab() -> Lab {
    Lab::with(Settings { probe: true, ..settings() })
}

fn request(last: u8, address: Ipv4Addr) -> Packet {
    Packet::new(REQUEST, last).requested(address).server(SERVER)
}

impl Lab {
    /// Somebody with this hardware address says that it has the address; gives what the server sends then.
    fn claim(&mut self, address: Ipv4Addr, who: MacAddr) -> Vec<Sent> {
        let arp = Arp { is_request: false, sender_mac: who, sender: address, target_mac: mac(1), target: SERVER };
        self.server.handle_arp(&arp, self.now);
        self.drain();
        core::mem::take(&mut self.sent)
    }

    /// Lets the wait for an answer pass; gives what the server sends then.
    fn wait(&mut self) -> Vec<Sent> {
        self.pass(1);
        core::mem::take(&mut self.sent)
    }
}

#[test]
fn rfc2131_2_2_an_address_is_asked_for_before_it_is_leased() {
    let mut lab = lab();
    let offer = lab.ask(&Packet::new(DISCOVER, 9));
    assert_eq!((offer.kind(), lab.asked.clone()), (OFFER, vec![offer.yiaddr()]), "the offer does not wait");
    assert_eq!(lab.send(&request(9, offer.yiaddr())), [], "the lease does");
    assert_eq!(lab.writes, 0);
    let [ack] = <[Sent; 1]>::try_from(lab.wait()).unwrap();
    assert_eq!((ack.kind(), ack.yiaddr()), (ACK, offer.yiaddr()));
    assert!(lab.asked.is_empty(), "and nobody listens any more");
    assert_eq!(lab.ask(&Packet::new(DISCOVER, 9)).kind(), OFFER);
    assert_eq!(lab.ask(&request(9, offer.yiaddr())).kind(), ACK, "its own address is not asked for again");
}

#[test]
fn rfc2131_2_2_an_address_in_use_is_put_aside() {
    let mut lab = lab();
    let taken = lab.ask(&Packet::new(DISCOVER, 9)).yiaddr();
    assert_eq!(lab.send(&request(9, taken)), []);
    assert_eq!(lab.claim(ip(99), mac(77)), [], "another address is nobody's business");
    let [nak] = <[Sent; 1]>::try_from(lab.claim(taken, mac(77))).unwrap();
    assert_eq!(nak.kind(), NAK);
    assert_eq!(lab.notes, [Note::InUse { address: taken, mac: mac(77) }]);
    let other = lab.ask(&Packet::new(DISCOVER, 9).requested(taken)).yiaddr();
    assert_ne!(other, taken);
    lab.send(&request(9, other));
    assert_eq!(lab.wait()[0].yiaddr(), other);
    lab.pass(DECLINE_HOLD.as_secs());
    assert_eq!(lab.ask(&Packet::new(DISCOVER, 10).requested(taken)).yiaddr(), taken, "asked for anew after a while");
    assert_eq!(lab.asked, [taken]);
}

#[test]
fn an_answer_before_the_request_takes_the_offer_back() {
    let mut lab = lab();
    let taken = lab.ask(&Packet::new(DISCOVER, 9)).yiaddr();
    assert_eq!(lab.claim(taken, mac(77)), []);
    assert_eq!(lab.ask(&request(9, taken)).kind(), NAK);
}

#[test]
fn the_client_itself_is_no_conflict() {
    let mut lab = lab();
    let address = lab.ask(&Packet::new(DISCOVER, 9)).yiaddr();
    lab.send(&request(9, address));
    assert_eq!(lab.claim(address, mac(9)), [], "it kept the address over a lost journal");
    assert_eq!(lab.wait()[0].kind(), ACK);
}

#[test]
fn rfc4039_rapid_commit_waits_for_the_answer_too() {
    let mut lab = lab();
    let discover = Packet::new(DISCOVER, 9).option(80, &[]);
    assert_eq!(lab.send(&discover), []);
    let first = lab.asked[0];
    assert_eq!(lab.claim(first, mac(77)), [], "another address is asked for");
    let [ack] = <[Sent; 1]>::try_from(lab.wait()).unwrap();
    assert!(ack.kind() == ACK && ack.yiaddr() != first && ack.option(80).is_some());
}

#[test]
fn a_host_of_the_configuration_is_not_asked_for() {
    let mut lab = lab();
    assert_eq!((lab.lease(2), lab.asked.len()), (ip(2), 0));
}

#[test]
fn questions_have_a_cap_and_leases_go_on() {
    let mut lab = lab();
    let mut at_once = 0;
    for last in 40..90u8 {
        let address = lab.ask(&Packet::new(DISCOVER, last)).yiaddr();
        at_once += lab.send(&request(last, address)).len();
    }
    assert_eq!((lab.asked.len(), at_once), (MAX_PROBES, 50 - MAX_PROBES));
    assert_eq!(lab.wait().len(), MAX_PROBES);
}

#[test]
fn new_settings_end_what_waits() {
    let mut lab = lab();
    let address = lab.ask(&Packet::new(DISCOVER, 9)).yiaddr();
    lab.send(&request(9, address));
    lab.server.reconfigure(settings(), lab.now);
    lab.drain();
    assert_eq!((lab.asked.len(), lab.wait()), (0, vec![]));
}

#[test]
fn a_foreign_server_is_noticed_by_the_requests_that_name_it() {
    let mut lab = Lab::new();
    assert_eq!(lab.server.foreign_server(lab.now), None);
    lab.lease(9);
    assert_eq!(lab.notes, []);
    lab.send(&Packet::new(REQUEST, 10).requested(ip(50)).server(ip(254)));
    lab.send(&Packet::new(REQUEST, 11).requested(ip(51)).server(ip(254)));
    assert_eq!(lab.notes, [Note::ForeignServer(ip(254))], "said once a minute");
    lab.pass(60);
    assert_eq!(lab.server.foreign_server(lab.now), Some((ip(254), Duration::from_secs(60))));
    lab.send(&Packet::new(REQUEST, 10).requested(ip(50)).server(Ipv4Addr::new(0, 0, 0, 1)));
    assert_eq!(lab.notes.len(), 1, "no server has such an address");
    lab.pass(FOREIGN_HOLD.as_secs());
    assert_eq!(lab.server.foreign_server(lab.now), None);
}

#[test]
fn starvation_one_machine_gets_so_many_addresses() {
    let mut lab = Lab::new();
    let client = |number: u8| Packet::new(DISCOVER, 9).option(61, &[0xff, number]);
    for number in 0..MAX_PER_HARDWARE as u8 {
        lab.lease_as(&client(number));
    }
    assert_eq!(lab.send(&client(200)), []);
    assert_eq!(lab.notes, [Note::OneMachine(mac(9))]);
    assert_eq!(lab.ask(&client(0)).kind(), OFFER, "what it has it keeps");
    lab.lease(10);
    lab.pass(3 * LEASE);
    assert_eq!(lab.send(&client(200)), [], "what is remembered for it counts");
    lab.server.table.check();
}

#[test]
fn starvation_one_machine_is_answered_so_often_in_a_second() {
    let mut lab = Lab::with(Settings { messages_per_mac: DEFAULT_PER_MAC, ..settings() });
    let answers = (0..50).filter(|_| !lab.send(&Packet::new(DISCOVER, 9)).is_empty()).count();
    assert_eq!(answers, DEFAULT_PER_MAC as usize);
    assert_eq!(lab.ask(&Packet::new(DISCOVER, 10)).kind(), OFFER, "others are answered");
    lab.pass(1);
    assert_eq!(lab.ask(&Packet::new(DISCOVER, 9)).kind(), OFFER);
}

#[test]
fn the_log_has_a_line_for_each_message_when_it_is_on() {
    let mut lab = Lab::new();
    lab.lease(9);
    assert_eq!(lab.lines, Vec::<String>::new());
    lab.server.set_logging(true);
    assert!(lab.server.is_logging());
    let address = lab.lease_as(&Packet::new(DISCOVER, 10).option(12, b"Kettle")).yiaddr();
    let expected = [
        "DHCP: DISCOVER from 02:00:00:00:00:0a (kettle)".into(),
        alloc::format!("DHCP: OFFER {address} to 02:00:00:00:00:0a"),
        alloc::format!("DHCP: REQUEST from 02:00:00:00:00:0a (kettle) for {address} of server 10.0.0.1"),
        alloc::format!("DHCP: ACK {address} to 02:00:00:00:00:0a"),
    ];
    assert_eq!(lab.lines, expected);
}
