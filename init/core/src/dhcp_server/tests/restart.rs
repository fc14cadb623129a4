//! The journal: what is held back, what is written, what a restart brings back.

use super::*;
use crate::store::journal::HEADER_LEN;

#[test]
fn an_acknowledgement_waits_for_the_disk() {
    let mut lab = Lab::new();
    lab.syncing = false;
    let offer = lab.ask(&Packet::new(DISCOVER, 9));
    assert_eq!(lab.unsynced.len(), 0, "an offer is not written");
    let request = Packet::new(REQUEST, 9).requested(offer.yiaddr()).server(SERVER);
    assert_eq!(lab.send(&request), []);
    let sent = lab.sync();
    assert_eq!((sent.len(), sent[0].kind(), sent[0].yiaddr()), (1, ACK, offer.yiaddr()));
}

#[test]
fn one_sync_releases_many_in_their_order() {
    let mut lab = Lab::new();
    lab.syncing = false;
    let clients: Vec<u8> = (40..60).rev().collect();
    for last in &clients {
        let address = lab.ask(&Packet::new(DISCOVER, *last)).yiaddr();
        assert_eq!(lab.send(&Packet::new(REQUEST, *last).requested(address).server(SERVER)), []);
    }
    let acked: Vec<u8> = lab.sync().iter().map(|sent| sent.bytes[33]).collect();
    assert_eq!(acked, clients);
}

#[test]
fn a_number_in_the_middle_releases_what_came_before_it() {
    let mut lab = Lab::new();
    lab.syncing = false;
    for last in [40, 41] {
        let address = lab.ask(&Packet::new(DISCOVER, last)).yiaddr();
        lab.send(&Packet::new(REQUEST, last).requested(address).server(SERVER));
    }
    let Action::Append { sequence, .. } = lab.unsynced[0] else { panic!() };
    lab.server.handle_stored(sequence);
    lab.drain();
    let sent = core::mem::take(&mut lab.sent);
    assert_eq!((sent.len(), sent[0].bytes[33]), (1, 40));
    lab.server.handle_stored(u64::MAX);
    lab.drain();
    assert_eq!(lab.sent.len(), 1, "a number that was never given is the last one given");
}

#[test]
fn a_repeated_request_is_answered_once() {
    let mut lab = Lab::new();
    lab.syncing = false;
    let address = lab.ask(&Packet::new(DISCOVER, 9)).yiaddr();
    let request = Packet::new(REQUEST, 9).requested(address).server(SERVER);
    (0..5).for_each(|_| assert_eq!(lab.send(&request), []));
    assert_eq!(lab.unsynced.len(), 1);
    assert_eq!(lab.sync().len(), 1);
    assert_eq!(lab.ask(&request).kind(), ACK);
    assert_eq!(lab.writes, 1);
}

#[test]
fn nothing_is_sent_for_a_lease_that_is_gone_by_then() {
    let mut lab = Lab::new();
    lab.syncing = false;
    let address = lab.ask(&Packet::new(DISCOVER, 9)).yiaddr();
    lab.send(&Packet::new(REQUEST, 9).requested(address).server(SERVER));
    lab.send(&Packet::new(RELEASE, 9).ciaddr(address).server(SERVER));
    assert_eq!(lab.sync(), []);
}

#[test]
fn a_disk_that_never_answers_stops_leases_and_nothing_grows() {
    let mut settings = settings();
    settings.lan = "10.0.0.1/16".parse().unwrap();
    settings.pool = (Ipv4Addr::new(10, 0, 1, 0), Ipv4Addr::new(10, 0, 99, 0));
    settings.offers_per_second = u32::MAX;
    let mut lab = Lab::with(settings);
    lab.lease(9);
    lab.syncing = false;
    lab.writes = 0;
    for number in 0..3000u16 {
        let [high, low] = number.to_be_bytes();
        let discover = Packet::from(DISCOVER, MacAddr([2, 0, 0, 7, high, low]));
        for offer in lab.send(&discover) {
            let mut request = discover.clone();
            request.options[2] = REQUEST;
            assert_eq!(lab.send(&request.requested(offer.yiaddr()).server(SERVER)), []);
        }
    }
    assert_eq!(lab.writes, MAX_HELD);
    assert_eq!(lab.notes, [Note::StoreStalled]);
    let known = lab.ask(&Packet::new(DISCOVER, 9)).yiaddr();
    assert_eq!(lab.ask(&Packet::new(REQUEST, 9).ciaddr(known)).kind(), ACK, "what is on disk is still answered");
    assert_eq!(lab.sync().len(), MAX_HELD);
}

#[test]
fn releases_that_can_not_be_written_are_not_taken() {
    let mut lab = Lab::new();
    lab.syncing = false;
    for _ in 0..2 * MAX_UNSTORED {
        let address = lab.ask(&Packet::new(DISCOVER, 9)).yiaddr();
        lab.send(&Packet::new(REQUEST, 9).requested(address).server(SERVER));
        lab.send(&Packet::new(RELEASE, 9).ciaddr(address).server(SERVER));
    }
    assert_eq!(lab.writes, MAX_UNSTORED);
}

#[test]
fn an_early_renewal_is_not_written_and_the_grace_covers_it() {
    let mut lab = Lab::new();
    let address = lab.lease(9);
    lab.pass(LEASE / 4);
    let renew = Packet::new(REQUEST, 9).ciaddr(address);
    assert_eq!((lab.ask(&renew).kind(), lab.writes), (ACK, 1), "a quarter of the lease is over: still on disk");
    let promised = lab.now + Duration::from_secs(LEASE);
    lab.restart();
    assert_eq!(lab.find(address).unwrap().expiry.at(), Some(promised), "what was promised is known by the grace");
    lab.pass(1);
    lab.ask(&renew);
    assert_eq!(lab.writes, 2, "later it is written");
}

#[test]
fn what_changes_is_written_at_once() {
    let mut lab = Lab::new();
    let address = lab.lease(9);
    lab.ask(&Packet::new(REQUEST, 9).ciaddr(address).option(12, b"laptop"));
    assert_eq!(lab.writes, 2);
    lab.ask(&Packet::new(REQUEST, 9).ciaddr(address).option(12, b"laptop"));
    assert_eq!(lab.writes, 2);
    lab.ask(&Packet::new(REQUEST, 9).ciaddr(address).option(51, &600u32.to_be_bytes()));
    assert_eq!(lab.writes, 2, "the disk promises more than this");
    lab.restart();
    assert_eq!(lab.name_of(address).as_deref(), Some("laptop"));
}

#[test]
fn a_short_lease_that_grows_is_written() {
    let mut lab = Lab::new();
    let address = lab.lease_as(&Packet::new(DISCOVER, 9).option(51, &600u32.to_be_bytes())).yiaddr();
    lab.ask(&Packet::new(REQUEST, 9).ciaddr(address));
    assert_eq!(lab.writes, 2);
    lab.restart();
    assert!(lab.find(address).unwrap().expiry.at() >= Some(lab.now + Duration::from_secs(LEASE)));
}

#[test]
fn a_shorter_wish_does_not_shorten_what_was_promised() {
    let mut lab = Lab::new();
    let address = lab.lease(9);
    let promised = lab.now + Duration::from_secs(LEASE);
    let ack = lab.ask(&Packet::new(REQUEST, 9).ciaddr(address).option(51, &600u32.to_be_bytes()));
    assert_eq!(ack.lease_secs(), 600);
    assert_eq!(lab.find(address).unwrap().expiry.at(), Some(promised));
}

#[test]
fn a_restart_brings_leases_names_and_memory_back() {
    let mut lab = Lab::new();
    let running = lab.lease_as(&Packet::new(DISCOVER, 9).option(61, &[7; 254]).option(12, b"laptop")).yiaddr();
    let given_back = lab.lease(10);
    lab.send(&Packet::new(RELEASE, 10).ciaddr(given_back));
    let declined = lab.lease(11);
    lab.send(&Packet::new(DECLINE, 11).requested(declined));
    let host = lab.lease(2);
    let writes = lab.writes;
    lab.pass(60);
    lab.restart();
    assert_eq!(lab.writes, writes, "a whole journal is gone on with");
    let lease = lab.find(running).unwrap();
    assert_eq!((lease.host_name.as_deref(), lease.client_id.as_deref()), (Some("laptop"), Some(&[7; 254][..])));
    assert_eq!(lease.expiry.at(), Some(lab.now + Duration::from_secs(LEASE - 60 + LEASE / 4)));
    assert_eq!((lab.find(given_back), lab.find(declined)), (None, None));
    assert_eq!(lab.find(host).unwrap().state, LeaseState::Bound);
    assert_eq!(lab.lease(10), given_back);
    assert_ne!(lab.ask(&Packet::new(DISCOVER, 12).requested(running)).yiaddr(), running);
}

#[test]
fn a_jump_of_the_wall_clock_expires_nothing() {
    let mut lab = Lab::new();
    let address = lab.lease(9);
    lab.pass(60);
    let expected = Some(lab.now + Duration::from_secs(LEASE - 60 + LEASE / 4));
    lab.wall.0 += 300 * 86400;
    lab.restart();
    assert_eq!(lab.find(address).unwrap().expiry.at(), expected);
    lab.wall.0 -= 600 * 86400;
    lab.restart();
    assert!(lab.find(address).unwrap().expiry.at() >= expected);
    assert_eq!(lab.ask(&Packet::new(REQUEST, 9).ciaddr(address)).kind(), ACK);
}

#[test]
fn a_power_cut_shortens_no_lease() {
    let mut lab = Lab::new();
    let address = lab.lease(9);
    lab.pass(3600);
    lab.power_cut();
    assert_eq!(lab.find(address).unwrap().expiry.at(), Some(lab.now + Duration::from_secs(LEASE + LEASE / 4)));
}

#[test]
fn power_cuts_do_not_keep_a_lease_alive_for_ever() {
    let mut lab = Lab::new();
    let address = lab.lease(9);
    // The machine runs for 10 hours a day, and the client has left.
    for day in 0.. {
        assert!(day < 10, "still there after {day} days");
        lab.pass(10 * 3600);
        lab.power_cut();
        if lab.find(address).is_none() {
            break;
        }
    }
}

#[test]
fn an_idle_table_is_not_written_again() {
    let mut lab = Lab::new();
    lab.lease(9);
    lab.pass(30 * 86400);
    assert!(lab.writes <= 4, "{} writes", lab.writes);
    assert_eq!(lab.server.poll_timeout(), None);
}

#[test]
fn the_journal_is_compacted() {
    let mut lab = Lab::new();
    let mut largest = 0;
    for round in 0..3000u16 {
        let name = alloc::format!("name{round}");
        lab.lease_as(&Packet::new(DISCOVER, 9).option(12, name.as_bytes()));
        largest = largest.max(lab.disk.len());
    }
    assert!((COMPACT_SLACK..COMPACT_SLACK + 2048).contains(&largest), "{largest}");
    for round in 0..3000u16 {
        let name = alloc::format!("name{round}");
        lab.lease_as(&Packet::new(DISCOVER, 9).option(12, name.as_bytes()));
        if round % 100 == 0 {
            lab.restart();
        }
        assert!(lab.disk.len() < COMPACT_SLACK + 2048, "restarts do not let it grow either");
    }
    lab.restart();
    assert_eq!(lab.server.leases().filter(|l| l.host_name.as_deref() == Some("name2999")).count(), 1);
}

#[test]
fn a_failed_write_is_followed_by_a_whole_journal() {
    let mut lab = Lab::new();
    let kept = lab.lease(40);
    lab.syncing = false;
    let address = lab.ask(&Packet::new(DISCOVER, 9)).yiaddr();
    lab.send(&Packet::new(REQUEST, 9).requested(address).server(SERVER));
    lab.unsynced.clear();
    lab.server.handle_store_failed(lab.now);
    lab.drain();
    assert!(matches!(lab.unsynced[..], [Action::Replace { .. }]));
    assert_eq!(lab.sync().iter().map(Sent::yiaddr).collect::<Vec<_>>(), [address]);
    lab.restart();
    assert!(lab.find(address).is_some() && lab.find(kept).is_some());
}

#[test]
fn a_new_card_gets_a_journal() {
    let lab = Lab::new();
    assert!(lab.disk.len() > HEADER_LEN && lab.notes.is_empty());
    let mut other = Lab::new();
    other.restart_with(b"not a journal");
    assert_eq!((other.notes.clone(), other.disk.len()), (vec![Note::JournalDamaged { good: 0 }], lab.disk.len()));
}

/// Some conversations; the journal and, after each write, its length and the addresses that it holds as leased.
fn history() -> (Vec<u8>, Vec<(usize, Vec<Ipv4Addr>)>) {
    let mut lab = Lab::new();
    let mut steps = Vec::new();
    let mut step = |lab: &mut Lab, packet: &Packet| {
        lab.lease_as(packet);
        let bound = lab.server.leases().filter(|lease| lease.state == LeaseState::Bound);
        steps.push((lab.disk.len(), bound.map(|lease| lease.address).collect()));
    };
    step(&mut lab, &Packet::new(DISCOVER, 9).option(12, b"laptop"));
    step(&mut lab, &Packet::new(DISCOVER, 2));
    step(&mut lab, &Packet::new(DISCOVER, 10).option(61, b"\xffidentifier"));
    step(&mut lab, &Packet::new(DISCOVER, 11).option(12, b"phone"));
    (lab.disk, steps)
}

#[test]
fn cve_2021_25217_a_restart_after_every_byte_of_the_journal() {
    let (disk, steps) = history();
    for length in 0..=disk.len() {
        let mut lab = Lab::new();
        lab.restart_with(&disk[..length]);
        let bound = lab.server.leases().filter(|lease| lease.state == LeaseState::Bound);
        let bound: Vec<Ipv4Addr> = bound.map(|lease| lease.address).collect();
        let expected = steps.iter().rev().find(|(end, _)| *end <= length).map(|(_, bound)| bound.clone());
        assert_eq!(bound, expected.unwrap_or_default(), "after {length} bytes");
        let next = lab.lease(50);
        lab.restart();
        assert!(lab.find(next).is_some(), "what is written behind damage is read, after {length} bytes");
    }
}

#[test]
fn cve_2022_2928_a_restart_with_every_bit_of_the_journal_flipped() {
    let (disk, steps) = history();
    let mut lab = Lab::new();
    for bit in 0..disk.len() * 8 {
        let mut bad = disk.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        lab.restart_with(&bad);
        let whole = steps.iter().rev().find(|(end, _)| *end <= bit / 8).map_or(0, |(_, bound)| bound.len());
        let bound = lab.server.leases().filter(|lease| lease.state == LeaseState::Bound).count();
        assert_eq!(bound, whole, "bit {bit}");
    }
}

#[test]
fn settings_that_changed_while_off_drop_what_does_not_fit() {
    let mut lab = Lab::new();
    let address = lab.lease_as(&Packet::new(DISCOVER, 9).option(12, b"laptop")).yiaddr();
    let mut narrow = settings();
    narrow.hostname = "laptop".into();
    let mut server = DhcpServer::new(narrow.clone(), lab.now);
    server.restore(&lab.disk, lab.now, lab.wall);
    assert_eq!(server.leases().find(|lease| lease.address == address).unwrap().host_name, None);
    narrow.pool = (ip(200), ip(210));
    let mut server = DhcpServer::new(narrow, lab.now);
    server.restore(&lab.disk, lab.now, lab.wall);
    assert!(server.leases().all(|lease| lease.address != address));
}

#[test]
fn a_clock_set_between_two_restarts_does_not_shorten_what_was_promised() {
    let mut lab = Lab::new();
    let address = lab.lease(9);
    let right = lab.wall;
    // The first restart finds a clock that went back, and so believes that no time has passed.
    lab.pass(LEASE / 3);
    lab.wall = WallTime(right.0 - 1000);
    lab.restart();
    assert_eq!(lab.ask(&Packet::new(REQUEST, 9).ciaddr(address)).kind(), ACK);
    let promised = lab.now + Duration::from_secs(LEASE);
    // Then the clock is set, and the second one sees that a third of the lease had gone by.
    lab.wall = WallTime(right.0 + LEASE / 3);
    lab.restart();
    assert!(lab.find(address).unwrap().expiry.at() >= Some(promised), "the renewal was written");
}
