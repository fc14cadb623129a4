//! Every arrow of RFC 2131 figure 5, and the timers.

use super::*;

/// RFC 2131 section 3.1: the four messages, the probe, and the lease.
#[test]
fn a_new_lease() {
    let lab = Lab::bound();
    let lease = lab.client.lease().unwrap();
    assert_eq!(lease.address.to_string(), "192.168.0.51/24");
    assert_eq!((lease.default_router(), lease.server), (Some(SERVER.into()), SERVER.into()));
    assert_eq!(lease.dns, [Ipv4Addr::from(SERVER), Ipv4Addr::new(9, 9, 9, 9)]);
    assert_eq!(lab.client.doing(), "has an address");
}

/// RFC 2131 section 4.1: DISCOVER after 4, 8, 16, 32, 64 seconds, then every 64; same xid; secs counts.
#[test]
fn discover_backs_off() {
    let mut lab = Lab::selecting();
    let (xid, began) = (lab.xid(), lab.now);
    for expected in [4, 8, 16, 32, 64, 64, 64] {
        let (waited, actions) = lab.wait();
        assert!(waited.abs_diff(expected) <= 1, "{waited} instead of {expected}");
        assert_eq!(actions, ["0.0.0.0 > all: DISCOVER"]);
        let sent = lab.last.as_ref().unwrap();
        assert_eq!((sent.xid(), u64::from(sent.secs())), (xid, lab.now.since(began).as_secs()));
    }
}

/// RFC 2131 section 4.1: the REQUEST has the DISCOVER's secs; section 3.1 step 5: four tries, then INIT.
#[test]
fn an_offer_that_is_not_acknowledged() {
    let mut lab = Lab::selecting();
    lab.wait();
    let secs = lab.last.as_ref().unwrap().secs();
    lab.now = lab.now + Duration::from_secs(2);
    let offer = grant(OFFER, lab.xid(), OURS, SERVER, HOUR);
    assert_eq!(lab.receive(&offer).len(), 1);
    for expected in [4, 8, 16] {
        assert_eq!(lab.last.as_ref().unwrap().secs(), secs);
        let (waited, actions) = lab.wait();
        assert!(waited.abs_diff(expected) <= 1);
        assert_eq!(actions, ["0.0.0.0 > all: REQUEST want 192.168.0.51 from 192.168.0.1"]);
    }
    let old = lab.xid();
    assert_eq!(lab.wait().1, [""; 0]);
    assert_eq!(lab.wait().1, ["0.0.0.0 > all: DISCOVER"]);
    assert_ne!(lab.xid(), old);
}

/// RFC 2131 section 4.4.1: the xid must match, and only the chosen server may answer a REQUEST.
#[test]
fn answers_to_somebody_else_are_dropped() {
    let mut lab = Lab::selecting();
    let wrong = lab.xid().wrapping_add(1);
    assert_eq!(lab.receive(&grant(OFFER, wrong, OURS, SERVER, HOUR)), [""; 0]);
    assert_eq!(lab.receive(&grant(ACK, lab.xid(), OURS, SERVER, HOUR)), [""; 0]);
    assert_eq!(lab.receive(&nak(lab.xid(), SERVER)), [""; 0]);

    let mut lab = Lab::requesting();
    assert_eq!(lab.receive(&grant(ACK, wrong, OURS, SERVER, HOUR)), [""; 0]);
    assert_eq!(lab.receive(&grant(ACK, lab.xid(), OURS, OTHER_SERVER, HOUR)), [""; 0]);
    assert_eq!(lab.receive(&nak(lab.xid(), OTHER_SERVER)), [""; 0]);
    assert_eq!(lab.receive(&grant(OFFER, lab.xid(), [192, 168, 0, 99], OTHER_SERVER, HOUR)), [""; 0]);
    assert_eq!(lab.receive(&grant(ACK, lab.xid(), OURS, SERVER, HOUR)), ["probe 192.168.0.51"]);
}

/// RFC 2131 section 3.1 step 4: NAK in REQUESTING restarts; the second one in a row waits ten seconds.
#[test]
fn a_nak_to_a_request_restarts_and_slows_down() {
    let mut lab = Lab::requesting();
    assert_eq!(lab.receive(&nak(lab.xid(), SERVER)), [""; 0]);
    let (waited, actions) = lab.wait();
    assert!(waited <= 1);
    assert_eq!(actions, ["0.0.0.0 > all: DISCOVER"]);
    lab.receive(&grant(OFFER, lab.xid(), OURS, SERVER, HOUR));
    lab.receive(&nak(lab.xid(), SERVER));
    assert!((10..=11).contains(&lab.wait().0));
}

/// RFC 2131 section 3.1 step 5 and RFC 5227: an address that somebody has is declined, and ten seconds pass.
#[test]
fn a_conflict_is_declined() {
    let mut lab = Lab::probing();
    assert_eq!(lab.taken(), ["0.0.0.0 > all: DECLINE want 192.168.0.51 from 192.168.0.1"]);
    for (option, why) in [(12, "host name"), (55, "request list"), (57, "maximum size")] {
        assert_eq!(lab.last.as_ref().unwrap().option(option), None, "a DECLINE has no {why} (RFC 2131 table 5)");
    }
    let (waited, actions) = lab.wait();
    assert!((10..=11).contains(&waited));
    assert_eq!(actions, ["0.0.0.0 > all: DISCOVER"]);
}

/// A shell that never answers a probe does not keep the house offline.
#[test]
fn a_silent_probe_ends_by_itself() {
    let mut lab = Lab::probing();
    assert_eq!(lab.wait(), (10, vec!["bound 192.168.0.51/24".to_string(), "remember".to_string()]));
}

/// Words about a probe that nobody asked for change nothing.
#[test]
fn probe_results_out_of_season_are_ignored() {
    for mut lab in [Lab::selecting(), Lab::requesting(), Lab::bound(), Lab::renewing(), Lab::rebinding()] {
        let before = lab.client.poll_timeout();
        assert_eq!((lab.taken(), lab.free()), (vec![], vec![]));
        assert_eq!(lab.client.poll_timeout(), before);
    }
}

/// RFC 2131 section 4.4.5: T1 at half of the lease; the ACK starts the lease anew, counted from the REQUEST.
#[test]
fn renewing_extends_the_lease() {
    let mut lab = Lab::renewing();
    let asked = lab.now;
    lab.now = lab.now + Duration::from_secs(3);
    let ack = grant(ACK, lab.xid(), OURS, SERVER, HOUR);
    assert_eq!(lab.receive(&ack), ["bound 192.168.0.51/24"]);
    assert_eq!(lab.client.expires(), Some(asked + Duration::from_secs(3600)));
    let (waited, actions) = lab.wait();
    assert!((1737..=1797).contains(&waited), "{waited}");
    assert_eq!(actions, ["192.168.0.51 > 192.168.0.1: REQUEST ciaddr 192.168.0.51"]);
}

/// RFC 2131 section 4.4.5: half of the rest until T2, at least a minute; then REBINDING, then the same until the end.
#[test]
fn renewing_becomes_rebinding_becomes_init() {
    let mut lab = Lab::renewing();
    let end = lab.client.expires().unwrap();
    let mut waits = vec![];
    let lost = loop {
        let (waited, actions) = lab.wait();
        waits.push(waited);
        if actions[0].starts_with("lost") {
            break actions;
        }
        assert!(waited >= 60 || actions[0].contains("all"), "{waits:?}");
    };
    assert_eq!((lab.now, lost), (end, vec!["lost 192.168.0.51 Expired".to_string()]));
    assert_eq!(lab.client.lease(), None);
    // The old address is asked for again (section 3.1 step 1).
    assert_eq!(lab.wait().1, ["0.0.0.0 > all: DISCOVER want 192.168.0.51"]);
}

/// RFC 2131 section 4.4.5: in REBINDING any server may extend the lease, or refuse it.
#[test]
fn rebinding_takes_any_server() {
    let mut lab = Lab::rebinding();
    let end = lab.client.expires().unwrap();
    assert_eq!(end.since(lab.now).as_secs(), 450, "T2 is seven eighths of the lease");
    let ack = grant(ACK, lab.xid(), OURS, OTHER_SERVER, HOUR);
    assert_eq!(lab.receive(&ack), ["bound 192.168.0.51/24", "remember"]);
    assert_eq!(lab.wait().1, ["192.168.0.51 > 192.168.0.2: REQUEST ciaddr 192.168.0.51"]);

    let mut lab = Lab::rebinding();
    let refused = format!("lost 192.168.0.51 {:?}", Lost::Refused { server: OTHER_SERVER.into() });
    assert_eq!(lab.receive(&nak(lab.xid(), OTHER_SERVER)), [refused, "forget".to_string()]);
}

/// RFC 2131 section 3.2 step 3: NAK while RENEWING drops the address; only the lease's own server counts.
#[test]
fn renewing_is_refused() {
    let mut lab = Lab::renewing();
    assert_eq!(lab.receive(&nak(lab.xid(), OTHER_SERVER)), [""; 0]);
    let refused = format!("lost 192.168.0.51 {:?}", Lost::Refused { server: SERVER.into() });
    assert_eq!(lab.receive(&nak(lab.xid(), SERVER)), [refused, "forget".to_string()]);
    assert_eq!(lab.wait().1, ["0.0.0.0 > all: DISCOVER"]);
}

/// RFC 2131 section 4.4.5: the server may answer with other parameters, even another address; the old one is used
/// until the new one is known to be free.
#[test]
fn the_address_may_change() {
    let mut lab = Lab::renewing();
    let ack = grant(ACK, lab.xid(), [192, 168, 0, 77], SERVER, HOUR);
    assert_eq!(lab.receive(&ack), ["probe 192.168.0.77"]);
    assert_eq!(lab.client.lease().unwrap().address.to_string(), "192.168.0.51/24");
    assert_eq!(lab.free(), ["bound 192.168.0.77/24", "remember"]);
    assert_eq!(lab.wait().1, ["192.168.0.77 > 192.168.0.1: REQUEST ciaddr 192.168.0.77"]);
}

/// RFC 2131 section 3.3: all ones mean for ever; nothing is renewed.
#[test]
fn a_lease_without_end() {
    let mut lab = Lab::requesting();
    let ack = grant(ACK, lab.xid(), OURS, SERVER, u32::MAX);
    lab.receive(&ack);
    assert_eq!(lab.free(), ["bound 192.168.0.51/24", "remember"]);
    assert_eq!((lab.client.poll_timeout(), lab.client.expires()), (None, None));
    assert_eq!(lab.advance(100 * 365 * 86_400), [""; 0]);
    assert!(lab.client.lease().is_some());
}

/// RFC 2131 section 4.4.5: the server's T1 and T2 count if they are in order.
#[test]
fn the_server_may_set_the_timers() {
    let terms = |renew: u32, rebind: u32| {
        let mut lab = Lab::requesting();
        let (renew, rebind) = (renew.to_be_bytes(), rebind.to_be_bytes());
        let mut options: Vec<(u8, &[u8])> = vec![(53, &[ACK]), (54, &SERVER), (51, &[0, 0, 0x0e, 0x10])];
        options.extend([(58, &renew[..]), (59, &rebind[..]), (1, &[255, 255, 255, 0])]);
        let ack = message(lab.xid(), OURS, &options);
        lab.receive(&ack);
        lab.free();
        let Terms::Limited { renew, rebind, .. } = lab.client.lease().unwrap().terms else { panic!("limited") };
        (renew.as_secs(), rebind.as_secs())
    };
    assert_eq!(terms(600, 1200), (600, 1200));
    assert_eq!(terms(0, 0), (1800, 3150));
    assert_eq!(terms(1200, 600), (300, 600));
    assert_eq!(terms(u32::MAX, u32::MAX), (1800, 3150));
    assert_eq!(terms(600, 3600), (600, 3150));
}

/// A lease so short that the probe outlasts it is never used.
#[test]
fn a_lease_shorter_than_its_probe() {
    let mut lab = Lab::requesting();
    let ack = grant(ACK, lab.xid(), OURS, SERVER, 5);
    lab.receive(&ack);
    assert_eq!(lab.wait(), (10, vec![]));
    assert_eq!(lab.client.lease(), None);
    assert_eq!(lab.wait().1, ["0.0.0.0 > all: DISCOVER"]);
}
