//! A link that is up: better access points, preferred networks, and its end.

use super::*;

fn quality(bed: &mut Bed, signal: i8) {
    bed.station.handle_quality(Quality { signal, rate: 650 }, bed.now);
}

#[test]
fn a_clearly_better_access_point_of_the_network_is_moved_to_without_telling_the_gateway_down() {
    let (mut bed, mut ap) = (Bed::new(softmac()), wpa2(1));
    bed.up(&mut ap);
    assert_eq!(bed.station.poll_timeout(), None, "a good link is left in peace");
    quality(&mut bed, -78);
    bed.until_scan();
    bed.sees(&[&Ap { signal: -78, ..wpa2(1) }, &Ap { signal: -72, ..wpa2(2) }]);
    assert!(bed.actions().is_empty(), "not for a little");
    bed.until_scan();
    let better = Ap { signal: -55, ..wpa2(2) };
    bed.sees(&[&Ap { signal: -78, ..wpa2(1) }, &better]);
    assert_eq!(bed.one(), Action::Disconnect { reason: 3 });
    bed.disconnected(3);
    bed.wait();
    let Action::Connect(connect) = bed.one() else { panic!() };
    assert_eq!(connect.bssid, better.bssid);
    bed.disconnected(3);
    bed.actions();
}

#[test]
fn a_preferred_network_that_appears_later_is_moved_to() {
    let preferred = Network { priority: 10, ..network("HOME", Some(PASSPHRASE)) };
    let mut bed = Bed::with(softmac(), vec![network(SSID, Some(PASSPHRASE)), preferred]);
    let mut ap = wpa2(1);
    bed.up(&mut ap);
    bed.until_scan();
    let pmk = PmkJob::new(b"HOME", &Secret::copy_of(PASSPHRASE.as_bytes())).run().pmk;
    let mut home = Ap { ssid: "HOME".into(), signal: -70, pmk, ..wpa2(2) };
    bed.sees(&[&ap, &home]);
    assert_eq!(bed.actions(), [Action::LinkDown, Action::Disconnect { reason: 3 }]);
    // The kernel says nothing: it goes on all the same.
    bed.wait();
    let Action::Connect(connect) = bed.one() else { panic!() };
    assert_eq!(connect.ssid, b"HOME");
    bed.connected(&home);
    bed.shake(&mut home, Akm::Psk);
    assert!(bed.station.is_up());
    assert_eq!(bed.station.poll_timeout(), None, "there is nothing better to look for");
}

#[test]
fn the_other_access_point_takes_over_when_the_nearer_is_switched_off() {
    let (mut bed, mut near) = (Bed::new(softmac()), Ap { signal: -40, ..wpa2(1) });
    let far = Ap { signal: -65, ..wpa2(2) };
    bed.up(&mut near);
    bed.now = bed.now + Duration::from_secs(100);
    bed.disconnected(4);
    bed.until_scan();
    bed.sees(&[&far]);
    let Action::Connect(connect) = bed.one() else { panic!() };
    assert_eq!(connect.bssid, far.bssid);
}

/// Without protected management frames anybody can end the link; the pauses stay short, so that it comes back as soon as
/// the flood ends.
#[test]
fn a_flood_of_deauthentications_costs_at_most_eight_seconds_a_time() {
    let (mut bed, mut ap) = (Bed::new(softmac()), wpa2(1));
    bed.until_scan();
    for _ in 0..20 {
        let before = bed.now;
        bed.sees(&[&ap]);
        for _ in 0..50 {
            match bed.actions().pop() {
                Some(Action::Connect(_)) => break,
                Some(Action::Scan(_)) => bed.sees(&[&ap]),
                _ => bed.wait(),
            }
        }
        assert!(bed.now.since(before) <= Duration::from_secs(20), "{:?}", bed.now.since(before));
        bed.connected(&ap);
        bed.shake(&mut ap, Akm::Psk);
        assert!(bed.station.is_up());
        bed.disconnected(7);
        bed.until_scan();
    }
}

#[test]
fn the_group_key_is_renewed_while_the_link_is_up() {
    let (mut bed, mut ap) = (Bed::new(softmac()), wpa2(1));
    bed.up(&mut ap);
    for round in 0..10_u8 {
        ap.gtk = ([round.wrapping_add(100); 16], round % 2 + 1);
        let g1 = ap.g1(Akm::Psk);
        bed.hears(&ap, &g1);
        let list = bed.actions();
        assert!(matches!(
            &list[..],
            [Action::InstallKey(InstallKey { usage: KeyUse::Group, .. }), Action::SendEapol { clear: false, .. }]
        ));
    }
    let stranger = wpa2(7);
    ap.gtk = ([1; 16], 1);
    let g1 = ap.g1(Akm::Psk);
    bed.hears(&stranger, &g1);
    assert!(bed.actions().is_empty(), "from another address");
}

#[test]
fn the_firmware_may_roam_and_the_handshake_is_done_anew() {
    let (mut bed, mut ap) = (Bed::new(fullmac()), wpa2(1));
    let mut other = wpa2(2);
    bed.until_scan();
    bed.sees(&[&ap, &Ap { signal: -60, ..other.clone() }]);
    bed.actions();
    bed.connected(&ap);
    bed.shake(&mut ap, Akm::Psk);
    let roamed = Roamed { bssid: other.bssid, response: vec![], authorized: false };
    bed.station.handle_roamed(&roamed, bed.now, &mut bed.entropy);
    let list = bed.shake(&mut other, Akm::Psk);
    assert!(matches!(list.last(), Some(Action::LinkUp { .. })));
    assert!(!list.contains(&Action::LinkDown));
    // To one that nobody saw: its elements can't be held against a beacon.
    let roamed = Roamed { bssid: MacAddr([2; 6]), response: vec![], authorized: false };
    bed.station.handle_roamed(&roamed, bed.now, &mut bed.entropy);
    assert_eq!(bed.actions(), [Action::LinkDown, Action::Disconnect { reason: 3 }]);
}

#[test]
fn the_best_of_many_is_chosen_by_priority_then_signal_band_and_who_served_last() {
    let pick = |aps: &[Ap], networks: Vec<Network>| {
        let mut bed = Bed::with(softmac(), networks);
        bed.until_scan();
        bed.sees(&aps.iter().collect::<Vec<_>>());
        let Action::Connect(connect) = bed.one() else { panic!() };
        connect.bssid.0[5]
    };
    let one = || vec![network(SSID, Some(PASSPHRASE))];
    assert_eq!(pick(&[Ap { signal: -60, ..wpa2(1) }, Ap { signal: -55, ..wpa2(2) }], one()), 2);
    assert_eq!(pick(&[Ap { signal: -60, frequency: 5180, ..wpa2(1) }, Ap { signal: -55, ..wpa2(2) }], one()), 1);
    assert_eq!(pick(&[Ap { signal: -81, frequency: 5180, ..wpa2(1) }, Ap { signal: -79, ..wpa2(2) }], one()), 2);
    let two = vec![network(SSID, Some(PASSPHRASE)), Network { priority: 1, ..network("B", Some(PASSPHRASE)) }];
    assert_eq!(pick(&[Ap { signal: -30, ..wpa2(1) }, Ap { ssid: "B".into(), signal: -75, ..wpa2(2) }], two), 2);
}

#[test]
fn what_strangers_fill_is_bounded() {
    let mut bed = Bed::new(softmac());
    bed.until_scan();
    let many: Vec<Bss> = (0..2000_u16)
        .map(|n| {
            let [high, low] = n.to_be_bytes();
            Bss { bssid: MacAddr([2, 0, 0, 9, high, low]), ..Ap { ssid: format!("S{n}"), ..open(1) }.bss() }
        })
        .collect();
    bed.station.handle_scan_done(&many, bed.now, &mut bed.entropy);
    assert_eq!(bed.station.seen.len(), MAX_SEEN);
    for n in 0..=255 {
        bed.station.failures.add(MacAddr([2, 0, 0, 0, 0, n]), Duration::from_secs(1), Duration::from_secs(30), bed.now);
    }
    assert_eq!(bed.station.failures.len(), memory::MAX_FAILURES);
    assert!(bed.station.status(bed.now).lines().count() < 40);
}
