//! Section 11.13: farewells in clear on a link whose management frames are protected.

use super::*;

fn protected() -> (Bed, Ap) {
    let (mut bed, mut ap) = (Bed::new(softmac()), Ap { capabilities: MFP, ..wpa2(1) });
    bed.up(&mut ap);
    bed.now = bed.now + Duration::from_secs(60);
    (bed, ap)
}

fn farewell(bed: &mut Bed, from: &Ap, reason: u16) {
    bed.station.handle_unprotected(from.bssid, reason, bed.now, &mut bed.entropy);
}

/// The frame of a question, and the answer to it.
fn question(bed: &mut Bed, ap: &Ap) -> Vec<u8> {
    let Action::SendActionFrame(frame) = bed.one() else { panic!() };
    assert_eq!(frame[..26], [&[0xd0, 0, 0, 0][..], &ap.bssid.0, &OWN.0, &ap.bssid.0, &[0, 0, 8, 0]].concat());
    assert_eq!(frame.len(), 28);
    [&[0xd0, 0, 0, 0][..], &OWN.0, &ap.bssid.0, &ap.bssid.0, &[0, 0, 8, 1], &frame[26..]].concat()
}

#[test]
fn an_access_point_that_answers_keeps_the_link_however_many_farewells_are_forged() {
    let (mut bed, ap) = protected();
    let mut questions = 0;
    for _ in 0..6000 {
        farewell(&mut bed, &ap, 7);
        if !bed.actions().is_empty() {
            questions += 1;
            bed.now = bed.now + Duration::from_millis(206);
            bed.station.handle_timeout(bed.now, &mut bed.entropy);
            let answer = question(&mut bed, &ap);
            bed.station.handle_action_frame(&answer);
        }
        bed.now = bed.now + Duration::from_millis(10);
        bed.station.handle_timeout(bed.now, &mut bed.entropy);
        assert!(bed.actions().is_empty());
    }
    assert!(bed.station.is_up());
    assert!((5..=7).contains(&questions), "one series in ten seconds: {questions} in a minute");
}

#[test]
fn an_access_point_that_was_restarted_is_joined_anew_within_two_seconds() {
    let (mut bed, mut ap) = protected();
    let before = bed.now;
    farewell(&mut bed, &ap, 6);
    let mut identifiers = vec![];
    let left = loop {
        match &bed.actions()[..] {
            [Action::SendActionFrame(frame)] => identifiers.push(frame[26..].to_vec()),
            [Action::LinkDown, Action::Disconnect { reason: 3 }] => break bed.now,
            other => panic!("{other:?}"),
        }
        bed.wait();
    };
    assert_eq!(identifiers.len(), 5);
    identifiers.dedup();
    assert_eq!(identifiers.len(), 5, "each has an identifier of its own");
    assert!(left.since(before) <= Duration::from_millis(1100));
    bed.disconnected(3);
    bed.up(&mut ap);
    assert!(bed.now.since(before) <= Duration::from_secs(2));
    assert!(bed.log.iter().any(|line| line.contains("it was restarted")), "{:?}", bed.log);
}

#[test]
fn answers_of_others_or_to_nothing_are_not_taken() {
    let (mut bed, ap) = protected();
    farewell(&mut bed, &ap, 7);
    let answer = question(&mut bed, &ap);
    let bent = |at: usize| {
        let mut bent = answer.clone();
        bent[at] ^= 1;
        bent
    };
    // Another sender, category, action, identifier; cut off.
    for wrong in [bent(0), bent(15), bent(24), bent(25), bent(26), bent(27), answer[..27].to_vec(), vec![]] {
        bed.station.handle_action_frame(&wrong);
        assert_eq!(bed.station.poll_timeout(), Some(bed.now + Duration::from_millis(206)));
    }
    bed.station.handle_action_frame(&answer);
    assert_eq!(bed.station.poll_timeout(), None);
}

#[test]
fn nothing_is_asked_without_protection_of_others_or_for_other_reasons() {
    let (mut bed, mut ap) = (Bed::new(softmac()), wpa2(1));
    bed.up(&mut ap);
    farewell(&mut bed, &ap, 7);
    let (mut protected, ap) = protected();
    farewell(&mut protected, &wpa2(9), 7);
    farewell(&mut protected, &ap, 3);
    for bed in [&mut bed, &mut protected] {
        assert!(bed.actions().is_empty());
        assert!(bed.station.is_up());
    }
}
