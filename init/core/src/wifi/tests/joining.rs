//! From a scan to a link, on both kinds of driver, and what goes wrong on the way.

use super::*;
use crate::wifi::sae::{Peers, Sae, Step};

#[test]
fn wpa2_from_radio_to_link_and_down() {
    let (mut bed, mut ap) = (Bed::new(softmac()), wpa2(1));
    let scan = bed.until_scan();
    assert_eq!(scan.ssids, [b""]);
    bed.sees(&[&ap, &open(9)]);
    let Action::Connect(connect) = bed.one() else { panic!() };
    assert_eq!((connect.bssid, connect.frequency, connect.external_auth), (ap.bssid, 2412, false));
    assert_eq!(connect.pmk, None, "the handshake is ours");
    assert_eq!(connect.elements, hex("3014 0100 000fac04 0100 000fac04 0100 000fac02 0000"));
    let wanted = Protection { akm: 0x000f_ac02, pairwise: CCMP, group: CCMP, mfp: false };
    assert_eq!(connect.protection, Some(wanted));

    // M1 may overtake the event of the association.
    let m1 = ap.m1(Akm::Psk);
    bed.hears(&ap, &m1);
    assert!(bed.actions().is_empty());
    bed.connected(&ap);
    let m2 = bed.eapol();
    let m3 = ap.m3(Akm::Psk, &m2).unwrap();
    bed.hears(&ap, &m3);
    let list = bed.actions();
    assert!(matches!(
        &list[..],
        [
            Action::SendEapol { clear: true, .. },
            Action::InstallKey(InstallKey { usage: KeyUse::Pairwise(_), .. }),
            Action::InstallKey(InstallKey { usage: KeyUse::Group, .. }),
            Action::AuthorizePort(_),
            Action::LinkUp { .. }
        ]
    ));
    assert!(bed.station.status(bed.now).contains("connected to \"MY-WIFI-NAME\""));

    bed.now = bed.now + Duration::from_secs(60);
    bed.disconnected(7);
    assert_eq!(bed.one(), Action::LinkDown);
    bed.until_scan();
    bed.sees(&[&ap]);
    assert!(matches!(bed.one(), Action::Connect(_)), "back at once");
}

#[test]
fn open_networks_need_no_handshake_and_no_passphrase() {
    let (mut bed, ap) = (Bed::with(fullmac(), vec![network(SSID, None)]), open(1));
    bed.until_scan();
    bed.sees(&[&wpa2(2), &ap]);
    let Action::Connect(connect) = bed.one() else { panic!() };
    assert_eq!((connect.bssid, connect.protection, connect.elements), (ap.bssid, None, vec![]));
    bed.connected(&ap);
    assert!(matches!(bed.one(), Action::LinkUp { .. }));
}

#[test]
fn an_open_access_point_with_the_name_of_a_protected_network_is_not_joined() {
    let mut bed = Bed::new(softmac());
    bed.until_scan();
    bed.sees(&[&open(1)]);
    assert!(bed.actions().is_empty());
    assert!(bed.station.status(bed.now).contains("it has no encryption, but a passphrase is configured"));
}

/// An authentication frame as the access point sends it.
fn auth_frame(ap: &Ap, data: &[u8]) -> Vec<u8> {
    [&[0xb0, 0, 0, 0][..], &OWN.0, &ap.bssid.0, &ap.bssid.0, &[0, 0, 3, 0], data].concat()
}

fn sae_of(ap: &Ap, passphrase: &str, entropy: &mut SeededEntropy) -> Sae {
    let passphrase = Secret::copy_of(passphrase.as_bytes());
    let peers = Peers { own: ap.bssid, ap: OWN, ssid: ap.ssid.clone().into_bytes(), passphrase };
    Sae::new(peers, ap.hash_to_element, entropy).unwrap()
}

fn authenticate(bed: &mut Bed) -> Vec<u8> {
    let Action::Authenticate(authenticate) = bed.one() else { panic!() };
    authenticate.data
}

fn send(step: Step) -> Vec<u8> {
    let Step::Send(data) = step else { panic!("{step:?}") };
    data
}

#[test]
fn wpa3_on_softmac_authenticates_then_associates() {
    for hash_to_element in [true, false] {
        let (mut bed, mut ap) = (Bed::new(softmac()), Ap { hash_to_element, ..wpa3(1) });
        let mut entropy = SeededEntropy::new(3);
        bed.until_scan();
        bed.sees(&[&ap]);
        let commit = authenticate(&mut bed);
        let mut theirs = sae_of(&ap, PASSPHRASE, &mut entropy);
        let answer = auth_frame(&ap, &theirs.commit());
        let confirm = send(theirs.handle(&commit, &mut entropy));
        bed.station.handle_auth_frame(&answer, bed.now, &mut bed.entropy);
        let ours = authenticate(&mut bed);
        let Step::Accepted(keys) = theirs.handle(&ours, &mut entropy) else { panic!() };
        bed.station.handle_auth_frame(&auth_frame(&ap, &confirm), bed.now, &mut bed.entropy);
        let Action::Associate(associate) = bed.one() else { panic!() };
        assert!(associate.protection.mfp && associate.protection.akm == 0x000f_ac08);
        let extension = if hash_to_element { "f4 01 20" } else { "" };
        let rsn = "301a 0100 000fac04 0100 000fac04 0100 000fac08 c000 0000 000fac06";
        assert_eq!(associate.elements, hex(&[rsn, extension].concat()));
        ap.pmk = keys.pmk;
        bed.connected(&ap);
        let list = bed.shake(&mut ap, Akm::Sae);
        assert!(list.iter().any(|action| matches!(action, Action::LinkUp { .. })));
    }
}

#[test]
fn wpa3_on_fullmac_is_done_behind_external_auth() {
    let (mut bed, mut ap) = (Bed::new(fullmac()), wpa3(1));
    let mut entropy = SeededEntropy::new(3);
    bed.until_scan();
    bed.sees(&[&ap]);
    let Action::Connect(connect) = bed.one() else { panic!() };
    assert!(connect.external_auth && connect.pmk.is_none());
    let start = ExternalAuth { start: true, bssid: ap.bssid, ssid: SSID.into(), akm: 0x000f_ac08 };
    bed.station.handle_external_auth(&start, bed.now, &mut bed.entropy);
    let sent = |bed: &mut Bed| {
        let Action::SendAuthFrame { frequency: 2412, frame } = bed.one() else { panic!() };
        assert_eq!(frame[..26], [&[0xb0, 0, 0, 0][..], &ap.bssid.0, &OWN.0, &ap.bssid.0, &[0, 0, 3, 0]].concat());
        frame[26..].to_vec()
    };
    let commit = sent(&mut bed);
    // Nobody answers: the same again.
    bed.wait();
    assert_eq!(sent(&mut bed), commit);
    let mut theirs = sae_of(&ap, PASSPHRASE, &mut entropy);
    let answer = auth_frame(&ap, &theirs.commit());
    let confirm = send(theirs.handle(&commit, &mut entropy));
    bed.station.handle_auth_frame(&answer, bed.now, &mut bed.entropy);
    let Step::Accepted(keys) = theirs.handle(&sent(&mut bed), &mut entropy) else { panic!() };
    bed.station.handle_auth_frame(&auth_frame(&ap, &confirm), bed.now, &mut bed.entropy);
    let wanted = Action::ExternalAuthResult { bssid: ap.bssid, ssid: SSID.into(), status: 0, pmkid: Some(keys.pmkid) };
    assert_eq!(bed.one(), wanted);
    ap.pmk = keys.pmk;
    bed.connected(&ap);
    bed.shake(&mut ap, Akm::Sae);
    assert!(bed.station.is_up());
}

#[test]
fn an_external_auth_for_another_network_is_refused() {
    let (mut bed, ap) = (Bed::new(fullmac()), wpa3(1));
    bed.until_scan();
    bed.sees(&[&ap]);
    bed.actions();
    let start = ExternalAuth { start: true, bssid: ap.bssid, ssid: b"other".to_vec(), akm: 0x000f_ac08 };
    bed.station.handle_external_auth(&start, bed.now, &mut bed.entropy);
    assert!(matches!(bed.one(), Action::ExternalAuthResult { status: 1, pmkid: None, .. }));
}

#[test]
fn a_wrong_passphrase_is_said_in_plain_words_and_tried_ever_more_rarely() {
    let (mut bed, mut ap) = (Bed::new(softmac()), wpa2(1));
    ap.pmk = Secret::copy_of(&[1; 32]);
    let start = bed.now;
    for attempt in 0..6 {
        bed.until_scan();
        bed.sees(&[&ap]);
        for _ in 0..200 {
            match bed.actions().pop() {
                Some(Action::Connect(_)) => break,
                Some(Action::Scan(_)) => bed.sees(&[&ap]),
                _ => bed.wait(),
            }
        }
        bed.connected(&ap);
        let m1 = ap.m1(Akm::Psk);
        bed.hears(&ap, &m1);
        let m2 = bed.eapol();
        assert!(ap.m3(Akm::Psk, &m2).is_none());
        // Some say so, others stay silent.
        if attempt % 2 == 0 {
            bed.disconnected(15)
        } else {
            bed.wait()
        }
        assert_eq!(bed.one(), Action::Disconnect { reason: 3 });
    }
    let text = "the password for \"MY-WIFI-NAME\" was refused by 02:00:00:00:01:01";
    assert_eq!(bed.log, [text], "said once");
    assert!(bed.station.status(bed.now).contains(text));
    // 10 + 20 + 40 + 80 + 160 s between six attempts.
    assert!(bed.now.since(start) >= Duration::from_secs(310), "{:?}", bed.now.since(start));
    assert!(!bed.station.is_up());
}

#[test]
fn a_wrong_passphrase_is_found_out_by_wpa3_too() {
    let (mut bed, ap) = (Bed::new(softmac()), wpa3(1));
    let mut entropy = SeededEntropy::new(3);
    bed.until_scan();
    bed.sees(&[&ap]);
    let commit = authenticate(&mut bed);
    let mut theirs = sae_of(&ap, "another one", &mut entropy);
    let answer = auth_frame(&ap, &theirs.commit());
    send(theirs.handle(&commit, &mut entropy));
    bed.station.handle_auth_frame(&answer, bed.now, &mut bed.entropy);
    let ours = authenticate(&mut bed);
    assert!(matches!(theirs.handle(&ours, &mut entropy), Step::Failed(_)));
    bed.station.handle_auth_frame(&auth_frame(&ap, &[2, 0, 15, 0]), bed.now, &mut bed.entropy);
    assert_eq!(bed.one(), Action::Disconnect { reason: 3 });
    assert!(bed.log[0].contains("the password for \"MY-WIFI-NAME\" was refused"));
}

#[test]
fn transition_mode_prefers_wpa3_and_falls_back_for_a_while() {
    let mut ap = Ap { akms: vec![Akm::Psk, Akm::Sae], capabilities: 0x80, ..wpa3(1) };
    let mut bed = Bed::new(softmac());
    for _ in 0..2 {
        bed.until_scan();
        bed.sees(&[&ap]);
        authenticate(&mut bed);
        for _ in 0..2 {
            bed.station.handle_auth_timeout(ap.bssid, bed.now, &mut bed.entropy);
            authenticate(&mut bed);
        }
        bed.station.handle_auth_timeout(ap.bssid, bed.now, &mut bed.entropy);
        assert_eq!(bed.one(), Action::Disconnect { reason: 3 });
        bed.now = bed.now + Duration::from_secs(2);
    }
    bed.until_scan();
    bed.sees(&[&ap]);
    let Action::Connect(connect) = bed.one() else { panic!() };
    assert_eq!(connect.protection.map(|protection| protection.akm), Some(0x000f_ac02));
    bed.connected(&ap);
    bed.shake(&mut ap, Akm::Psk);
    assert!(bed.station.is_up());
    // After ten minutes WPA3 has another chance.
    bed.now = bed.now + Duration::from_secs(601);
    bed.disconnected(7);
    bed.until_scan();
    bed.sees(&[&ap]);
    authenticate(&mut bed);
}

#[test]
fn transition_mode_on_firmware_that_authenticates_is_wpa2_unless_configured() {
    let ap = Ap { akms: vec![Akm::Psk, Akm::PskSha256, Akm::Sae], capabilities: 0x80, ..wpa3(1) };
    for (security, akm) in
        [(WifiSecurity::Any, 0x000f_ac06), (WifiSecurity::Wpa2, 0x000f_ac06), (WifiSecurity::Wpa3, 0x000f_ac08)]
    {
        let mut bed = Bed::with(fullmac(), vec![Network { security, ..network(SSID, Some(PASSPHRASE)) }]);
        bed.until_scan();
        bed.sees(&[&ap]);
        let Action::Connect(connect) = bed.one() else { panic!() };
        assert_eq!(connect.protection.map(|protection| protection.akm), Some(akm));
    }
}

/// SSID Confusion: a passphrase that two networks share must not open the one in the name of the other. A PSK and hash to
/// element have the name in the key; the older form of SAE has not, and is not used then.
#[test]
fn cve_2023_52424_a_shared_passphrase_is_not_used_where_the_name_is_not_in_the_key() {
    let networks = vec![network(SSID, Some(PASSPHRASE)), network("OTHER", Some(PASSPHRASE))];
    let mut bed = Bed::with(softmac(), networks.clone());
    bed.until_scan();
    bed.sees(&[&Ap { hash_to_element: false, ..wpa3(1) }]);
    assert!(bed.actions().is_empty());
    assert!(bed.station.status(bed.now).contains("its old form of WPA3 is not safe"));

    let mut bed = Bed::with(softmac(), networks);
    bed.until_scan();
    bed.sees(&[&wpa3(1)]);
    authenticate(&mut bed);

    // And what the driver joined is what was chosen, or the link is given up.
    let mut bed = Bed::new(softmac());
    bed.until_scan();
    bed.sees(&[&wpa2(1), &Ap { ssid: "OTHER".into(), ..wpa2(2) }]);
    assert!(matches!(bed.one(), Action::Connect(_)));
    bed.connected(&wpa2(2));
    assert_eq!(bed.one(), Action::Disconnect { reason: 3 });
}

#[test]
fn the_master_key_survives_a_restart_and_not_another_passphrase() {
    let settings = |word| Settings { country: None, offload: false, networks: vec![network(SSID, Some(word))] };
    let mut station = Station::new(settings(PASSPHRASE), None);
    let (now, mut entropy) = (Instant::from_secs(1), SeededEntropy::new(1));
    station.handle_radio(softmac(), now, &mut entropy);
    let Some(Action::DerivePmk(job)) = station.poll_action() else { panic!() };
    station.handle_pmk(&job.run(), now, &mut entropy);
    let record = core::iter::from_fn(|| station.poll_action()).find_map(|action| match action {
        Action::Store(record) => Some(record),
        _ => None,
    });
    let record = record.unwrap();
    let derives = |word, record: &[u8]| {
        let mut station = Station::new(settings(word), Some(record));
        station.handle_radio(softmac(), now, &mut SeededEntropy::new(1));
        core::iter::from_fn(|| station.poll_action()).any(|action| matches!(action, Action::DerivePmk(_)))
    };
    assert!(!derives(PASSPHRASE, record.expose()));
    assert!(derives("another one", record.expose()));
    for cut in 0..record.expose().len() {
        assert!(derives(PASSPHRASE, &record.expose()[..cut]), "{cut}");
    }
}

#[test]
fn the_country_is_set_first_and_the_scan_waits_for_its_channels() {
    let settings = Settings { country: Some(*b"DE"), offload: false, networks: vec![network(SSID, Some(PASSPHRASE))] };
    let mut bed = Bed::new(softmac());
    bed.station = Station::new(settings, None);
    bed.station.handle_radio(softmac(), bed.now, &mut bed.entropy);
    assert_eq!(bed.one(), Action::SetRegulatory(*b"DE"));
    let passive = Channel { frequency: 5180, disabled: false, passive: true };
    bed.station.handle_radio(Radio { channels: vec![passive], ..softmac() }, bed.now, &mut bed.entropy);
    let Action::Scan(scan) = bed.one() else { panic!() };
    assert!(scan.ssids.is_empty(), "where nothing may be sent, it only listens");
}

#[test]
fn hidden_networks_are_asked_for_in_turn() {
    let networks: Vec<Network> =
        (0..5).map(|n| Network { hidden: n > 0, ..network(&format!("N{n}"), Some(PASSPHRASE)) }).collect();
    let mut bed = Bed::with(Radio { max_scan_ssids: 3, ..softmac() }, networks);
    let mut asked = vec![];
    for _ in 0..2 {
        let scan = bed.until_scan();
        assert_eq!(scan.ssids.len(), 3);
        asked.extend(scan.ssids.into_iter().skip(1));
        bed.sees(&[]);
    }
    assert_eq!(asked, [b"N1", b"N2", b"N3", b"N4"]);
}

#[test]
fn firmware_does_the_handshake_where_it_offers_and_the_configuration_wants_it() {
    let settings = Settings { country: None, offload: true, networks: vec![network(SSID, Some(PASSPHRASE))] };
    let (mut bed, ap) = (Bed::new(fullmac()), wpa2(1));
    bed.station = Station::new(settings, None);
    let radio = Radio { handshake_offload: true, ..fullmac() };
    bed.station.handle_radio(radio, bed.now, &mut bed.entropy);
    bed.until_scan();
    bed.sees(&[&ap]);
    let Action::Connect(connect) = bed.one() else { panic!() };
    assert_eq!(connect.pmk.as_ref(), Some(&ap.pmk));
    let outcome = Connected { bssid: Some(ap.bssid), status: Some(0), response: vec![], authorized: true };
    bed.station.handle_connected(&outcome, bed.now, &mut bed.entropy);
    assert!(matches!(bed.one(), Action::LinkUp { .. }));
}
