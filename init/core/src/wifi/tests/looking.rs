//! Scans: which channels, one at a time, and results that come late.

use super::*;

fn channel(frequency: u32) -> Channel {
    Channel { frequency, disabled: false, passive: false }
}

fn lose(bed: &mut Bed) {
    bed.now = bed.now + Duration::from_secs(60);
    bed.disconnected(4);
    bed.actions();
}

#[test]
fn bands_that_cannot_be_joined_are_not_looked_at() {
    let channels = vec![channel(2412), Channel { disabled: true, ..channel(2484) }, channel(5180), channel(5955)];
    let mut bed = Bed::new(Radio { channels: channels.clone(), ..softmac() });
    assert_eq!(bed.until_scan().frequencies, [2412, 5180]);
    let mut bed = Bed::new(Radio { channels: channels[..3].to_vec(), ..softmac() });
    assert!(bed.until_scan().frequencies.is_empty(), "all of them");
}

#[test]
fn after_a_link_the_familiar_channels_come_first_and_then_all() {
    let (mut bed, mut ap) = (Bed::new(softmac()), wpa2(1));
    bed.up(&mut ap);
    lose(&mut bed);
    assert_eq!(bed.until_scan().frequencies, [2412]);
    bed.sees(&[]);
    let Action::Scan(again) = bed.one() else { panic!("a beacon may have been missed") };
    assert_eq!(again.frequencies, [2412]);
    bed.sees(&[]);
    let Action::Scan(all) = bed.one() else { panic!("no pause before the look at all channels") };
    assert!(all.frequencies.is_empty());
    bed.sees(&[&Ap { frequency: 2462, ..wpa2(2) }]);
    assert!(matches!(bed.one(), Action::Connect(_)));
}

#[test]
fn an_interface_that_is_taken_down_is_no_failure_of_the_access_point() {
    let (mut bed, mut ap) = (Bed::new(softmac()), wpa2(1));
    for _ in 0..10 {
        bed.up(&mut ap);
        bed.now = bed.now + Duration::from_secs(2);
        let how = Disconnected { bssid: None, reason: 3, by_ap: false };
        bed.station.handle_disconnected(how, bed.now, &mut bed.entropy);
        bed.station.handle_radio_gone(bed.now);
        bed.actions();
        // The next round would find it left alone for a while.
        bed.station.handle_radio(softmac(), bed.now, &mut bed.entropy);
    }
}

/// The familiar channels may have only a network that is liked less than the one that was lost.
#[test]
fn a_lesser_network_on_a_familiar_channel_waits_for_the_look_at_all() {
    let networks = vec![Network { priority: 5, ..network(SSID, Some(PASSPHRASE)) }, network("CAFE", None)];
    let (mut bed, mut ap) = (Bed::with(softmac(), networks), wpa2(1));
    bed.up(&mut ap);
    lose(&mut bed);
    bed.until_scan();
    let cafe = Ap { ssid: "CAFE".into(), ..open(9) };
    bed.sees(&[&cafe]);
    assert!(matches!(bed.one(), Action::Scan(_)));
    bed.sees(&[&cafe]);
    assert!(matches!(bed.one(), Action::Scan(_)));
    bed.sees(&[&cafe]);
    assert!(matches!(bed.one(), Action::Connect(_)));
}

/// The kernel tells of lost beacons, then of the lost link: the scan of the first serves the second.
#[test]
fn a_scan_under_way_serves_when_the_link_is_lost_meanwhile() {
    let (mut bed, mut ap) = (Bed::new(softmac()), wpa2(1));
    bed.up(&mut ap);
    bed.station.handle_beacon_loss(bed.now);
    bed.until_scan();
    lose(&mut bed);
    bed.now = bed.now + QUIET;
    bed.station.handle_timeout(bed.now, &mut bed.entropy);
    bed.now = bed.now + Duration::from_secs(5);
    bed.sees(&[&wpa2(2)]);
    let list = bed.actions();
    assert!(list.iter().any(|action| matches!(action, Action::Connect(_))), "{list:?}");
}

#[test]
fn a_look_beside_a_busy_link_may_take_most_of_a_minute() {
    let preferred = Network { priority: 10, ..network("HOME", Some(PASSPHRASE)) };
    let (mut bed, mut ap) = (Bed::with(softmac(), vec![network(SSID, Some(PASSPHRASE)), preferred]), wpa2(1));
    bed.up(&mut ap);
    bed.until_scan();
    bed.now = bed.now + Duration::from_secs(40);
    bed.station.handle_timeout(bed.now, &mut bed.entropy);
    bed.sees(&[&ap, &Ap { ssid: "HOME".into(), ..wpa2(2) }]);
    assert_eq!(bed.actions(), [Action::LinkDown, Action::Disconnect { reason: 3 }]);
}

#[test]
fn while_somebody_else_scans_it_waits_a_second_at_a_time_and_takes_those_results() {
    let mut bed = Bed::new(softmac());
    bed.until_scan();
    for _ in 0..5 {
        bed.station.handle_failed(Failed::Scan, 16, bed.now, &mut bed.entropy);
        let before = bed.now;
        bed.until_scan();
        assert_eq!(bed.now.since(before), Duration::from_secs(1));
    }
    bed.station.handle_failed(Failed::Scan, 16, bed.now, &mut bed.entropy);
    bed.sees(&[&wpa2(1)]);
    assert!(matches!(bed.one(), Action::Connect(_)));
}

#[test]
fn familiar_channels_are_bounded_and_the_latest_stay() {
    let mut bed = Bed::with(softmac(), vec![network(SSID, None)]);
    for n in 0..40 {
        bed.until_scan();
        bed.sees(&[&Ap { frequency: 5000 + n, ..open(1) }]);
        bed.actions();
        // The access point does not answer.
        let outcome = Connected { bssid: None, status: None, response: vec![], authorized: false };
        bed.station.handle_connected(&outcome, bed.now, &mut bed.entropy);
        bed.station.failures.clear(open(1).bssid);
    }
    assert!(bed.station.familiar.len() <= 8, "{:?}", bed.station.familiar);
    assert!(bed.station.familiar.contains(&5039));
}
