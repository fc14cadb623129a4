//! The remembered lease: restarts, power cuts, a link that flaps, a machine that moved (RFC 2131 sections 3.2 and 3.7).

use super::*;

const WALL: WallTime = WallTime(1_700_000_000);

/// The record of a lease of an hour, saved when all of it was left but the time of the exchange.
fn record() -> Vec<u8> {
    Lab::bound().record.expect("a lease is recorded")
}

/// A restarted machine that has asked for its old address.
fn rebooting() -> Lab {
    let mut lab = Lab::with_record(Some(&record()), WALL);
    assert_eq!(lab.link(true), [""; 0]);
    assert_eq!(lab.wait().1, ["0.0.0.0 > all: REQUEST want 192.168.0.51"]);
    lab
}

/// Section 3.2: INIT-REBOOT, REBOOTING, BOUND. Nothing is used before the ACK.
#[test]
fn the_last_address_is_asked_for_again() {
    let mut lab = rebooting();
    assert_eq!(lab.client.lease(), None);
    let ack = grant(ACK, lab.xid(), OURS, SERVER, HOUR);
    assert_eq!(lab.receive(&ack), ["probe 192.168.0.51"]);
    assert_eq!(lab.free(), ["bound 192.168.0.51/24"], "the card has this lease already");
}

/// Section 3.2 step 3: a NAK means another network; the record is of no use any more.
#[test]
fn a_machine_that_moved() {
    let mut lab = rebooting();
    assert_eq!(lab.receive(&nak(lab.xid(), OTHER_SERVER)), ["forget"]);
    assert_eq!(lab.wait().1, ["0.0.0.0 > all: DISCOVER"]);
}

/// Section 3.2 step 4: without an answer the rest of the lease is used, and a server is looked for beside it.
#[test]
fn no_server_answers_after_a_power_cut() {
    let mut lab = rebooting();
    let (waited, actions) = lab.wait();
    assert!((3..=5).contains(&waited));
    assert_eq!(actions, ["0.0.0.0 > all: REQUEST want 192.168.0.51"]);
    let (waited, actions) = lab.wait();
    assert!((7..=9).contains(&waited));
    assert_eq!(actions, ["probe 192.168.0.51"]);
    assert_eq!(lab.free(), ["bound 192.168.0.51/24"]);
    assert_eq!(lab.wait().1, ["0.0.0.0 > all: DISCOVER want 192.168.0.51"]);

    // The server is back: the same address needs no probe, and the connections through it live on.
    let offer = grant(OFFER, lab.xid(), OURS, SERVER, HOUR);
    assert_eq!(lab.receive(&offer), ["0.0.0.0 > all: REQUEST want 192.168.0.51 from 192.168.0.1"]);
    let ack = grant(ACK, lab.xid(), OURS, SERVER, HOUR);
    assert_eq!(lab.receive(&ack), ["bound 192.168.0.51/24"]);
}

/// The unconfirmed lease ends when its time is over, though nobody ever answered.
#[test]
fn an_unconfirmed_lease_ends() {
    let mut lab = rebooting();
    lab.wait();
    lab.wait();
    assert_eq!(lab.free(), ["bound 192.168.0.51/24"]);
    let end = lab.client.expires().unwrap();
    let lost = loop {
        let (_, actions) = lab.wait();
        if actions != ["0.0.0.0 > all: DISCOVER want 192.168.0.51"] {
            break actions;
        }
    };
    assert_eq!((lab.now, lost), (end, vec!["lost 192.168.0.51 Expired".to_string()]));
    assert!(lab.client.poll_timeout().is_some(), "the search goes on");
}

/// Somebody else has the remembered address, and no server answers.
#[test]
fn a_remembered_address_may_be_taken() {
    let mut lab = rebooting();
    lab.wait();
    lab.wait();
    let declined = ["0.0.0.0 > all: DECLINE want 192.168.0.51 from 192.168.0.1", "forget"];
    assert_eq!(lab.taken(), declined);
    assert_eq!(lab.client.lease(), None);
    assert_eq!(lab.wait().1, ["0.0.0.0 > all: DISCOVER"]);
}

/// The process restarted and the kernel still has the address: it is bound at once and verified behind its back.
#[test]
fn a_restarted_process_keeps_the_address() {
    let mut lab = Lab::with_record(Some(&record()), WALL);
    lab.client.handle_configured("192.168.0.99/24".parse().unwrap(), lab.now);
    assert_eq!(lab.actions(), [""; 0], "not ours");
    lab.client.handle_configured("192.168.0.51/24".parse().unwrap(), lab.now);
    assert_eq!(lab.actions(), ["bound 192.168.0.51/24"]);
    lab.link(true);
    assert_eq!(lab.wait().1, ["0.0.0.0 > all: REQUEST want 192.168.0.51"]);
    let ack = grant(ACK, lab.xid(), OURS, SERVER, HOUR);
    assert_eq!(lab.receive(&ack), ["bound 192.168.0.51/24"]);
}

/// Section 3.7: after a disconnection the address is verified; while the link is down nothing is sent.
#[test]
fn a_link_that_flaps() {
    let mut lab = Lab::bound();
    assert_eq!(lab.link(false), [""; 0]);
    assert!(lab.client.lease().is_some());
    assert_eq!(lab.client.poll_timeout(), lab.client.expires());
    lab.now = lab.now + Duration::from_secs(20);
    assert_eq!(lab.link(true), [""; 0]);
    assert_eq!(lab.link(true), [""; 0]);
    assert_eq!(lab.wait().1, ["0.0.0.0 > all: REQUEST want 192.168.0.51"]);
    let ack = grant(ACK, lab.xid(), OURS, SERVER, HOUR);
    assert_eq!(lab.receive(&ack), ["bound 192.168.0.51/24"]);
}

/// A cable that was moved to another network: the old address goes at the NAK.
#[test]
fn a_cable_that_was_moved() {
    let mut lab = Lab::bound();
    lab.link(false);
    lab.link(true);
    lab.wait();
    let refused = format!("lost 192.168.0.51 {:?}", Lost::Refused { server: OTHER_SERVER.into() });
    assert_eq!(lab.receive(&nak(lab.xid(), OTHER_SERVER)), [refused, "forget".to_string()]);
}

/// A lease whose time is over while the link is down is given up there.
#[test]
fn a_lease_ends_while_the_link_is_down() {
    let mut lab = Lab::bound();
    lab.link(false);
    assert_eq!(lab.wait().1, ["lost 192.168.0.51 Expired"]);
    assert_eq!(lab.client.poll_timeout(), None);
    lab.link(true);
    assert_eq!(lab.wait().1, ["0.0.0.0 > all: DISCOVER want 192.168.0.51"]);
}

/// On the card stand the time left and the moment of saving; a clock that went back adds nothing.
#[test]
fn the_time_left_survives() {
    let record = record();
    let left = |wall: u64| {
        let (_, left) = record::unpack(&record, MAC, WallTime(wall))?;
        left.map(|left| left.as_secs())
    };
    let all = left(WALL.0).unwrap();
    assert!((3590..=3600).contains(&all), "{all}");
    assert_eq!(left(WALL.0 + 600).map(|left| all.abs_diff(left + 600) <= 1), Some(true));
    assert_eq!(left(WALL.0 - 1_000_000), Some(all));
    assert_eq!(left(WALL.0 + 3700), None);
    assert_eq!(left(u64::MAX), None);
}

/// Damaged and foreign records are ignored: the client begins as if there were none.
#[test]
fn bad_records_are_ignored() {
    let record = record();
    let other = MacAddr([0xdc, 0xa6, 0x32, 0, 0, 2]);
    assert_eq!(record::unpack(&record, other, WALL), None, "the card moved to another machine");
    for length in 0..260 {
        assert_eq!(record::unpack(&record[..length], MAC, WALL), None);
    }
    let mut offer = record.clone();
    offer[20 + 242] = OFFER;
    assert_eq!(record::unpack(&offer, MAC, WALL), None);
}

/// A lease that is renewed unchanged is not written to the card each time.
#[test]
fn the_card_is_written_seldom() {
    let mut lab = Lab::requesting();
    let ack = grant(ACK, lab.xid(), OURS, SERVER, 120);
    lab.receive(&ack);
    assert_eq!(lab.free(), ["bound 192.168.0.51/24", "remember"]);
    let (start, mut writes) = (lab.now, 0);
    while lab.now.since(start) < Duration::from_secs(24 * 3600) {
        lab.wait();
        let ack = grant(ACK, lab.xid(), OURS, SERVER, 120);
        writes += lab.receive(&ack).iter().filter(|action| *action == "remember").count();
    }
    assert!((23..=24).contains(&writes), "{writes}");
}

/// A server that changes its mind with every ACK wears nothing out either.
#[test]
fn a_fickle_server_does_not_wear_out_the_card() {
    let mut lab = Lab::requesting();
    let ack = grant(ACK, lab.xid(), OURS, SERVER, 2);
    lab.receive(&ack);
    lab.free();
    let (start, mut writes) = (lab.now, 0);
    for turn in 0.. {
        lab.wait();
        let ack = grant(ACK, lab.xid(), OURS, SERVER, 2 + turn % 2);
        writes += lab.receive(&ack).iter().filter(|action| *action == "remember").count();
        if lab.now.since(start) > Duration::from_secs(600) {
            break;
        }
    }
    assert!(writes <= 11, "{writes} in ten minutes");
}
