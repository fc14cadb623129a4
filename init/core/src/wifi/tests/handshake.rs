//! Sections 12.7.6 and 12.7.7, and what others got wrong in them (KRACK).

use super::*;
use crate::wifi::handshake::{Association, Do, ElementsDiffer, Supplicant};

fn supplicant(ap: &Ap, akm: Akm) -> Supplicant {
    Supplicant::new(Association {
        akm,
        own: OWN,
        ap: ap.bssid,
        pmk: ap.pmk.clone(),
        ours: crate::wifi::rsn::request(akm, CCMP, ap.capabilities & MFP != 0, false),
        rsn: ap.rsn(),
        rsnx: Some(ap.rsnx()).filter(|element| !element.is_empty()),
        mfp: ap.capabilities & MFP != 0,
    })
}

/// One station and one access point with protected management frames, before M1.
fn pair() -> (Supplicant, Ap, SeededEntropy) {
    let ap = wpa3(1);
    (supplicant(&ap, Akm::Sae), ap, SeededEntropy::new(5))
}

fn sent(list: &[Do]) -> &[u8] {
    let frames: Vec<&Do> = list.iter().filter(|step| matches!(step, Do::Send { .. })).collect();
    let [Do::Send { frame, .. }] = frames[..] else { panic!("{list:?}") };
    frame
}

fn installs(list: &[Do]) -> Vec<KeyUse> {
    let usage = |step: &Do| if let Do::Install(key) = step { Some(key.usage) } else { None };
    list.iter().filter_map(usage).collect()
}

/// M1 to M4; returns M3 and what it led to.
fn shake(one: &mut Supplicant, ap: &mut Ap, akm: Akm, entropy: &mut SeededEntropy) -> (Vec<u8>, Vec<Do>) {
    let m1 = ap.m1(akm);
    let m2 = one.handle(&m1, None, entropy).unwrap();
    let m3 = ap.m3(akm, sent(&m2)).unwrap();
    let list = one.handle(&m3, None, entropy).unwrap();
    (m3, list)
}

#[test]
fn section_12_7_6_all_suites() {
    for (akm, capabilities) in [(Akm::Psk, 0), (Akm::PskSha256, 0), (Akm::PskSha256, MFP), (Akm::Sae, MFP)] {
        let mut ap = Ap { akms: vec![akm], capabilities, ..wpa2(1) };
        let (mut one, mut entropy) = (supplicant(&ap, akm), SeededEntropy::new(1));
        let (_, list) = shake(&mut one, &mut ap, akm, &mut entropy);
        assert!(ap.accepts(akm, sent(&list)), "M4");
        let mut wanted = vec![KeyUse::Pairwise(ap.bssid), KeyUse::Group];
        wanted.extend((capabilities != 0).then_some(KeyUse::Integrity));
        assert_eq!(installs(&list), wanted);
        assert!(matches!(list.first(), Some(Do::Send { clear: true, .. })), "M4 leaves before the key is in");
        assert_eq!(list.last(), Some(&Do::Secured));
        let Do::Install(key) = &list[1] else { panic!() };
        assert_eq!((&key.key, key.cipher, key.index), (&ap.tk(), CCMP, 0));
    }
}

#[test]
fn section_12_7_7_a_new_group_key_is_installed_and_confirmed() {
    let (mut one, mut ap, mut entropy) = pair();
    shake(&mut one, &mut ap, Akm::Sae, &mut entropy);
    (ap.gtk, ap.igtk) = (([0x33; 16], 2), ([0x44; 16], 5));
    let g1 = ap.g1(Akm::Sae);
    let list = one.handle(&g1, Some(true), &mut entropy).unwrap();
    assert_eq!(installs(&list), [KeyUse::Group, KeyUse::Integrity]);
    let Do::Install(key) = &list[1] else { panic!() };
    assert_eq!((key.index, key.cipher, key.sequence), (5, BIP_CMAC, [7, 0, 0, 0, 0, 0]));
    assert!(ap.accepts(Akm::Sae, sent(&list)));
    assert_eq!(one.handle(&g1, Some(true), &mut entropy).unwrap(), [], "the same counter");
}

/// KRACK: a repeated M3 must not set the pairwise key's packet number back.
#[test]
fn cve_2017_13077_a_repeated_m3_does_not_reinstall_the_pairwise_key() {
    let (mut one, mut ap, mut entropy) = pair();
    let (m3, _) = shake(&mut one, &mut ap, Akm::Sae, &mut entropy);
    assert_eq!(one.handle(&m3, None, &mut entropy).unwrap(), [], "a replay");
    let data = [ap.rsn(), ap.rsnx(), ap.group_data()].concat();
    let again = ap.m3_with(Akm::Sae, &data);
    let list = one.handle(&again, Some(false), &mut entropy).unwrap();
    assert_eq!(installs(&list), []);
    assert!(ap.accepts(Akm::Sae, sent(&list)), "but M4 goes out again");
    assert_eq!(list.len(), 1);
}

/// KRACK: nor the group key in the 4-way handshake, under its own or another index.
#[test]
fn cve_2017_13078_a_repeated_m3_does_not_reinstall_the_group_key() {
    let (mut one, mut ap, mut entropy) = pair();
    shake(&mut one, &mut ap, Akm::Sae, &mut entropy);
    for index in [1, 2] {
        ap.gtk.1 = index;
        let data = [ap.rsn(), ap.rsnx(), ap.group_data()].concat();
        let m3 = ap.m3_with(Akm::Sae, &data);
        assert!(!installs(&one.handle(&m3, None, &mut entropy).unwrap()).contains(&KeyUse::Group));
    }
}

/// KRACK: nor the integrity group key.
#[test]
fn cve_2017_13079_a_repeated_m3_does_not_reinstall_the_integrity_key() {
    let (mut one, mut ap, mut entropy) = pair();
    shake(&mut one, &mut ap, Akm::Sae, &mut entropy);
    ap.igtk.1 = 5;
    let data = [ap.rsn(), ap.rsnx(), ap.group_data()].concat();
    let m3 = ap.m3_with(Akm::Sae, &data);
    assert_eq!(installs(&one.handle(&m3, None, &mut entropy).unwrap()), []);
}

/// KRACK: nor the group key in the group key handshake, even after another one was in between.
#[test]
fn cve_2017_13080_a_group_handshake_does_not_reinstall_the_group_key() {
    let (mut one, mut ap, mut entropy) = pair();
    shake(&mut one, &mut ap, Akm::Sae, &mut entropy);
    let old = ap.gtk;
    let g1 = ap.g1(Akm::Sae);
    assert_eq!(installs(&one.handle(&g1, None, &mut entropy).unwrap()), []);
    ap.gtk = ([0x33; 16], 2);
    let g1 = ap.g1(Akm::Sae);
    assert_eq!(installs(&one.handle(&g1, None, &mut entropy).unwrap()), [KeyUse::Group]);
    ap.gtk = old;
    let g1 = ap.g1(Akm::Sae);
    assert_eq!(installs(&one.handle(&g1, None, &mut entropy).unwrap()), []);
}

/// KRACK: nor the integrity group key in the group key handshake.
#[test]
fn cve_2017_13081_a_group_handshake_does_not_reinstall_the_integrity_key() {
    let (mut one, mut ap, mut entropy) = pair();
    shake(&mut one, &mut ap, Akm::Sae, &mut entropy);
    ap.gtk = ([0x33; 16], 2);
    let g1 = ap.g1(Akm::Sae);
    assert_eq!(installs(&one.handle(&g1, None, &mut entropy).unwrap()), [KeyUse::Group]);
}

/// KRACK in fast transition is the access point's flaw; here the suites for it are never asked for.
#[test]
fn cve_2017_13082_fast_transition_is_never_asked_for() {
    let mut ap = wpa2(1);
    ap.akms = vec![Akm::Psk];
    let mut bss = ap.bss();
    // 00-0F-AC:4 in place of 2.
    let at = bss.elements.windows(4).position(|window| window == [0, 0x0f, 0xac, 2]).unwrap();
    bss.elements[at + 3] = 4;
    let mut bed = Bed::new(softmac());
    bed.until_scan();
    bed.station.handle_scan_done(&[bss], bed.now, &mut bed.entropy);
    assert!(bed.actions().is_empty());
}

/// KRACK's other half: a message repeated before M3 keeps nonce and key, one after it never does.
#[test]
fn a_repeated_m1_keeps_the_nonce_until_the_key_is_used() {
    let (mut one, mut ap, mut entropy) = pair();
    let nonce = |list: &[Do]| KeyFrame::parse(sent(list)).unwrap().nonce;
    let m1 = ap.m1(Akm::Sae);
    let first = nonce(&one.handle(&m1, None, &mut entropy).unwrap());
    let m1 = ap.m1(Akm::Sae);
    let list = one.handle(&m1, None, &mut entropy).unwrap();
    assert_eq!(nonce(&list), first);
    let m3 = ap.m3(Akm::Sae, sent(&list)).unwrap();
    one.handle(&m3, None, &mut entropy).unwrap();
    let m1 = ap.m1(Akm::Sae);
    let again = one.handle(&m1, Some(true), &mut entropy).unwrap();
    assert_ne!(nonce(&again), first, "a new key for a new exchange, although the other's nonce is the same");
}

#[test]
fn the_pairwise_key_can_be_renewed() {
    let (mut one, mut ap, mut entropy) = pair();
    shake(&mut one, &mut ap, Akm::Sae, &mut entropy);
    let old = ap.tk();
    ap.anonce = [0x77; 32];
    let (_, list) = shake(&mut one, &mut ap, Akm::Sae, &mut entropy);
    assert_eq!(installs(&list), [KeyUse::Pairwise(ap.bssid)]);
    assert!(matches!(list.first(), Some(Do::Send { clear: false, .. })), "under the old key");
    assert_ne!(ap.tk(), old);
}

/// FragAttacks (CVE-2020-24586 to 24588, 26139 to 26147) and their like begin with frames in clear that a station takes
/// although it has a key. Ours of it is who may begin a key exchange.
#[test]
fn a_key_exchange_in_clear_after_the_first_is_a_strangers() {
    let (mut one, mut ap, mut entropy) = pair();
    shake(&mut one, &mut ap, Akm::Sae, &mut entropy);
    let m1 = ap.m1(Akm::Sae);
    assert_eq!(one.handle(&m1, Some(false), &mut entropy).unwrap(), []);
    ap.gtk = ([0x33; 16], 2);
    let g1 = ap.g1(Akm::Sae);
    assert_eq!(one.handle(&g1, Some(false), &mut entropy).unwrap(), []);
    assert_eq!(installs(&one.handle(&g1, Some(true), &mut entropy).unwrap()), [KeyUse::Group]);
}

#[test]
fn section_12_7_6_4_elements_other_than_the_beacons_end_the_link() {
    type Bend = fn(&Ap) -> Vec<u8>;
    let bends: [Bend; 4] = [
        |ap| [Ap { capabilities: 0, ..ap.clone() }.rsn(), ap.rsnx()].concat(),
        |ap| Ap { akms: vec![Akm::Sae, Akm::Psk], ..ap.clone() }.rsn(),
        |ap| ap.rsn(),
        |ap| ap.rsnx(),
    ];
    for bend in bends {
        let (mut one, mut ap, mut entropy) = pair();
        let m1 = ap.m1(Akm::Sae);
        let m2 = one.handle(&m1, None, &mut entropy).unwrap();
        ap.m3(Akm::Sae, sent(&m2)).unwrap();
        let data = [bend(&ap), ap.group_data()].concat();
        let m3 = ap.m3_with(Akm::Sae, &data);
        assert_eq!(one.handle(&m3, None, &mut entropy), Err(ElementsDiffer));
        assert!(!one.is_secured());
    }
}

#[test]
fn frames_that_are_not_for_us_or_not_proved_do_nothing() {
    let (mut one, mut ap, mut entropy) = pair();
    let m1 = ap.m1(Akm::Sae);
    let m2 = one.handle(&m1, None, &mut entropy).unwrap();
    assert_eq!(one.handle(sent(&m2), None, &mut entropy).unwrap(), [], "our own M2 sent back");
    let m3 = ap.m3(Akm::Sae, sent(&m2)).unwrap();
    for at in 0..m3.len() {
        let mut bent = m3.clone();
        bent[at] ^= 1;
        let list = one.handle(&bent, None, &mut entropy).unwrap();
        // The EAPOL version alone is not looked at; it is under the code all the same.
        assert_eq!(installs(&list), [], "byte {at}");
        assert!(!one.is_secured(), "byte {at}");
    }
    for length in 0..m3.len() {
        assert_eq!(one.handle(&m3[..length], None, &mut entropy).unwrap(), [], "{length} bytes");
    }
    // With protected management frames the key for them must come too.
    let data = [ap.rsn(), ap.rsnx(), Ap { capabilities: 0, ..ap.clone() }.group_data()].concat();
    let without = ap.m3_with(Akm::Sae, &data);
    assert_eq!(one.handle(&without, None, &mut entropy).unwrap(), []);
    // And a group key is not taken in clear.
    let data = [ap.rsn(), ap.rsnx(), ap.group_data()].concat();
    let bits = info::PAIRWISE | info::ACK | info::MIC | info::SECURE | info::INSTALL;
    let clear = ap.frame(Akm::Sae, bits, &data);
    assert_eq!(one.handle(&clear, None, &mut entropy).unwrap(), []);
    assert!(!one.is_secured());
}
