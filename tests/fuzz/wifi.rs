//! The Wi-Fi station against radios and access points that are broken or mean: beacons, SAE, key frames, and everything
//! in any order. No key is installed by anything but the access point's own, unbent message.

use crate::traffic::wifi::{self as ap, AP, Authenticator, Offer, PASSPHRASE, SSID, STATION};
use crate::{MILLION, fuzz, stream};
use gatepost_core::config::WifiSecurity;
use gatepost_core::entropy::SeededEntropy;
use gatepost_core::net::MacAddr;
use gatepost_core::time::{Duration, Instant};
use gatepost_core::wifi::{
    Action, Bss, Channel, Connected, Disconnected, ExternalAuth, Failed, Network, PmkDone, Quality, Radio, Roamed,
    Secret, Settings, Station,
};
use tests::mutate::Mutator;

/// Most actions after one input: M4, three keys, the port, the link, a note.
const MAX_ACTIONS: usize = 10;

fn radio(authenticate: bool, mac: MacAddr) -> Radio {
    Radio {
        mac,
        authenticate,
        sae: true,
        handshake_offload: false,
        control_port: true,
        ciphers: vec![0x000f_ac04, 0x000f_ac06],
        max_scan_ssids: 4,
        channels: vec![Channel { frequency: 2412, disabled: false, passive: false }],
    }
}

fn settings() -> Settings {
    let network = |ssid: &str, passphrase: Option<&[u8]>| Network {
        ssid: ssid.into(),
        passphrase: passphrase.map(Secret::copy_of),
        priority: ssid.len() as u8,
        hidden: false,
        security: WifiSecurity::Any,
    };
    let known = network(&String::from_utf8_lossy(SSID), Some(PASSPHRASE));
    Settings { country: None, offload: false, networks: vec![known, network("CAFE", None)] }
}

/// A station and what its shell would hold for it.
struct Bed {
    station: Station,
    entropy: SeededEntropy,
    /// The access point.
    other: MacAddr,
    now: Instant,
    pmk: PmkDone,
    /// What was asked for after the last input.
    asked: Vec<Action>,
    up: bool,
}

impl Bed {
    fn new(authenticate: bool, mac: MacAddr, pmk: Secret) -> Self {
        let pmk = PmkDone { ssid: SSID.to_vec(), passphrase: Secret::copy_of(PASSPHRASE), pmk };
        let mut bed = Self {
            station: Station::new(settings(), None),
            entropy: SeededEntropy::new(mac.0[4].into()),
            other: if mac == AP { STATION } else { AP },
            now: Instant::from_secs(1),
            pmk,
            asked: vec![],
            up: false,
        };
        bed.station.handle_radio(radio(authenticate, mac), bed.now, &mut bed.entropy);
        bed.act();
        bed
    }

    /// A new one in its place, so that no pause after a failure is left.
    fn renew(&mut self) {
        let own = if self.other == AP { STATION } else { AP };
        let entropy = self.entropy.clone();
        *self = Self { entropy, ..Self::new(true, own, self.pmk.pmk.clone()) };
    }

    /// Takes what the station asks for; keys are worked out at once.
    fn act(&mut self) {
        self.asked.clear();
        let mut count = 0;
        while let Some(action) = self.station.poll_action() {
            count += 1;
            assert!(count <= MAX_ACTIONS, "actions without end: {:?}", self.asked);
            match &action {
                Action::DerivePmk(_) => self.station.handle_pmk(&self.pmk, self.now, &mut self.entropy),
                Action::LinkUp { .. } => self.up = true,
                Action::LinkDown => {
                    assert!(self.up, "only what is up goes down");
                    self.up = false;
                }
                Action::Note(text) => assert!(!text.contains("MY-PASSWORD") && !text.contains('\n')),
                _ => {}
            }
            self.asked.push(action);
        }
        assert_eq!(self.station.is_up(), self.up);
    }

    fn wait(&mut self) {
        let Some(due) = self.station.poll_timeout() else { return };
        self.now = self.now.max(due);
        self.station.handle_timeout(self.now, &mut self.entropy);
        let due = self.station.poll_timeout();
        assert!(due.is_none_or(|due| due >= self.now), "due again in the past: {due:?} at {:?}", self.now);
        self.act();
    }

    fn asked_for(&self, which: fn(&Action) -> bool) -> bool {
        self.asked.iter().any(which)
    }

    /// The frame of SAE that was asked for last.
    fn authentication(&self) -> Option<Vec<u8>> {
        self.asked.iter().find_map(|action| match action {
            Action::Authenticate(authenticate) => Some(authenticate.data.clone()),
            _ => None,
        })
    }

    fn installs(&self) -> bool {
        self.asked_for(|action| matches!(action, Action::InstallKey(_) | Action::AuthorizePort(_)))
    }

    /// Ends what there is and waits for a scan.
    fn until_scan(&mut self) {
        for _ in 0..100 {
            let how = Disconnected { bssid: None, reason: 3, by_ap: true };
            self.station.handle_disconnected(how, self.now, &mut self.entropy);
            self.act();
            self.wait();
            if self.asked_for(|action| matches!(action, Action::Scan(_))) {
                return;
            }
        }
        panic!("no scan: {}", self.station.status(self.now));
    }

    fn scanned(&mut self, results: &[Bss]) {
        self.station.handle_scan_done(results, self.now, &mut self.entropy);
        self.act();
    }

    fn connected(&mut self, bssid: MacAddr) {
        let outcome = Connected { bssid: Some(bssid), status: Some(0), response: vec![], authorized: false };
        self.station.handle_connected(&outcome, self.now, &mut self.entropy);
        self.act();
    }

    /// Scans until the access point is tried, past any pause for failures.
    fn join(&mut self, offer: Offer) {
        for _ in 0..100 {
            self.until_scan();
            self.scanned(&[Bss { bssid: self.other, ..ap::bss(offer) }]);
            if self.asked_for(|action| matches!(action, Action::Connect(_) | Action::Authenticate(_))) {
                return;
            }
        }
        panic!("never tried: {}", self.station.status(self.now));
    }
}

#[test]
fn wifi_beacons() {
    let name = "wifi beacons";
    let seeds = vec![ap::elements(Offer::Psk), ap::elements(Offer::Sae), b"\x00\x04CAFE".to_vec()];
    let words: [&[u8]; 6] = [&[0, 15, 172, 2], &[0, 15, 172, 8], &[48, 255], &[244, 0], &[255, 255, 1, 0], &[0, 33]];
    // A driver that associates by itself: a choice of WPA3 costs no arithmetic, which has a target of its own.
    let mut bed = Bed::new(false, STATION, Authenticator::new().pmk());
    let stream = stream(name, seeds, 600).with_words(&words);
    fuzz(name, 10 * MILLION, stream, |stream| {
        let elements = stream.next_packet().clone();
        let capability = stream.pick(&[0, 0x10, 0xffff]);
        let bss = Bss { elements, capability, ..ap::bss(Offer::Psk) };
        bed.scanned(&[bss]);
        let chosen = bed.asked_for(|action| matches!(action, Action::Connect(_) | Action::Authenticate(_)));
        assert!(!bed.installs());
        if stream.one_in(1000) {
            assert!(bed.station.status(bed.now).lines().count() < 20);
        }
        if chosen || bed.station.poll_timeout().is_some_and(|due| due > bed.now) {
            bed.until_scan();
        }
        chosen
    });
}

#[test]
fn wifi_key_frames() {
    key_frames("wifi key frames", 10 * MILLION, Authenticator::new());
}

/// The same with a key for protected management frames (IGTK) in the data.
#[test]
fn wifi_key_frames_protected() {
    key_frames("wifi key frames protected", 2 * MILLION, Authenticator::protected());
}

fn key_frames(name: &str, packets: u64, mut ap: Authenticator) {
    let mut bed = Bed::new(true, STATION, ap.pmk());
    let words: [&[u8]; 6] =
        [&[221, 22, 0, 15, 172, 1], &[221, 28, 0, 15, 172, 9], &[0x13, 0xca], &[0, 0x8a], &[255, 255], &[0, 0]];
    let stream = stream(name, vec![], 400).with_words(&words);
    let (mut fresh, mut m2) = (true, Vec::new());
    fuzz(name, packets, stream, |stream| {
        if fresh || stream.one_in(1000) {
            ap.reset();
            bed.join(ap.offer());
            bed.connected(AP);
            (fresh, m2) = (false, Vec::new());
        }
        let good = match stream.below(8) {
            0 => ap.m1(),
            1 if !m2.is_empty() => ap.m3(&m2).unwrap_or_else(|| ap.m1()),
            2 if ap.has_key() => ap.g1(),
            _ if ap.has_key() => ap.repeat_m3(),
            _ => ap.m1(),
        };
        let (dice, keep_counter) = (stream.below(4), !stream.one_in(64));
        let bent = if stream.one_in(16) { stream.random() } else { stream.bend(&good) };
        if dice == 0 && *bent != good {
            // A bent frame with a right code: only whoever has the key can do this, so it may do anything but harm. Its
            // counter mostly stays, for after a high one nothing else is looked at until the next association.
            if bent.len() >= 17 && good.len() >= 17 && keep_counter {
                bent[9..17].copy_from_slice(&good[9..17]);
            }
            ap.sign(bent);
        }
        let (bent, signed) = (bent.clone(), dice == 0);
        let protected = stream.pick(&[None, Some(true), Some(false)]);
        bed.station.handle_eapol(AP, &bent, protected, bed.now, &mut bed.entropy);
        bed.act();
        assert!(signed || !bed.installs() || bent.starts_with(&good), "a key from a frame that was bent");
        for action in &bed.asked {
            if let Action::SendEapol { frame, .. } = action
                && frame[5] == 1
                && frame[6] & 8 != 0
                && frame[97..99] != [0, 0]
            {
                m2.clone_from(frame);
            }
        }
        fresh = bed.asked_for(|action| matches!(action, Action::Disconnect { .. } | Action::LinkDown));
        !bed.asked.is_empty()
    });
}

/// An authentication frame to the station.
fn auth_frame(data: &[u8]) -> Vec<u8> {
    auth_frame_from(AP, STATION, data)
}

fn auth_frame_from(from: MacAddr, to: MacAddr, data: &[u8]) -> Vec<u8> {
    [&[0xb0, 0, 0, 0][..], &to.0, &from.0, &AP.0, &[0, 0, 3, 0], data].concat()
}

#[test]
fn wifi_sae_frames() {
    let name = "wifi sae frames";
    let pmk = Authenticator::new().pmk();
    // Commits are the same from both sides, so a second station speaks for the access point.
    let mut peer = Bed::new(true, AP, pmk.clone());
    peer.join(Offer::Sae);
    let commit = auth_frame(&peer.authentication().expect("the peer begins"));
    let confirm = auth_frame(&[&[2, 0, 0, 0, 1, 0][..], &[7; 32]].concat());
    let token = auth_frame(&[&[1, 0, 76, 0, 19, 0, 255, 33, 93][..], &[5; 32]].concat());
    let refusal = auth_frame(&[1, 0, 77, 0, 19, 0]);
    let words: [&[u8]; 5] = [&[76, 0], &[77, 0], &[126, 0], &[20, 0], &[255, 3, 92, 19, 0]];
    let mut bed = Bed::new(true, STATION, pmk);
    let stream = stream(name, vec![], 400).with_words(&words);
    let mut fresh = true;
    fuzz(name, MILLION, stream, |stream| {
        if fresh {
            bed.join(Offer::Sae);
        }
        // An exchange costs a millisecond, so most frames are such that leave it going on.
        let good = match stream.below(64) {
            0 => &commit,
            1 => &token,
            2 => &refusal,
            _ => &confirm,
        };
        let bent = if stream.one_in(16) { stream.random() } else { stream.bend(good) };
        // Past the header, the frame is for this station.
        if bent.len() >= 26 && good.len() >= 26 {
            bent[..26].copy_from_slice(&good[..26]);
        }
        let bent = bent.clone();
        bed.station.handle_auth_frame(&bent, bed.now, &mut bed.entropy);
        bed.act();
        assert!(!bed.installs() && !bed.asked_for(|action| matches!(action, Action::Associate(_))));
        fresh = bed.asked_for(|action| matches!(action, Action::Disconnect { .. }));
        bent.len() > 30 && bent[..26] == good[..26]
    });
}

/// A whole exchange with a second station that speaks for the access point: groups 19 and 20, with and without a token.
/// Nothing but its own commit and confirm leads to an association.
#[test]
fn wifi_sae_exchange() {
    let name = "wifi sae exchange";
    let pmk = Authenticator::new().pmk();
    let (mut bed, mut peer) = (Bed::new(true, STATION, pmk.clone()), Bed::new(true, AP, pmk));
    let words: [&[u8]; 5] = [&[76, 0], &[77, 0], &[126, 0], &[20, 0], &[255, 3, 92, 19, 0]];
    let stream = stream(name, vec![], 400).with_words(&words);
    // What the access point says next, the last entry first, and our commit that it will have taken.
    let (mut plan, mut commit): (Vec<Vec<u8>>, Vec<u8>) = (vec![], vec![]);
    let (mut fresh, mut misled) = (true, false);
    fuzz(name, 5_000, stream, |stream| {
        if fresh {
            bed.renew();
            peer.renew();
            bed.join(Offer::Sae);
            peer.join(Offer::Sae);
            commit = bed.authentication().expect("we begin");
            plan = opening(&mut peer, stream);
            (fresh, misled) = (false, false);
        }
        let good = plan.last().cloned().expect("there is a next frame until it is over");
        let sent = if stream.one_in(3) { stream.bend(&good).clone() } else { good.clone() };
        // The first 24 bytes are the header.
        let is_good = sent.get(24..).is_some_and(|sent| sent.starts_with(&good[24..]));
        bed.station.handle_auth_frame(&sent, bed.now, &mut bed.entropy);
        bed.act();
        let associates = bed.asked_for(|action| matches!(action, Action::Associate(_)));
        assert!(!bed.installs() && (!associates || is_good && !misled), "an association from a bent frame");
        let answer = bed.authentication();
        // Whoever took a bent commit has other keys, and the good confirm is none to it.
        misled |= !is_good && answer.as_ref().is_some_and(|answer| answer.starts_with(&[2, 0]));
        if let Some(answer) = answer.filter(|answer| answer.starts_with(&[1, 0])) {
            commit = answer;
        }
        if sent == good {
            plan.pop();
            if plan.is_empty() {
                // The peer's confirm, once it has our commit.
                peer.station.handle_auth_frame(&auth_frame_from(STATION, AP, &commit), peer.now, &mut peer.entropy);
                peer.act();
                plan.extend(peer.authentication().map(|confirm| auth_frame(&confirm)));
            }
        }
        fresh = associates || plan.is_empty() || bed.asked_for(|action| matches!(action, Action::Disconnect { .. }));
        associates
    });
}

/// What comes before the confirm, the last first: perhaps a token, perhaps another group, the commit.
fn opening(peer: &mut Bed, stream: &mut Mutator) -> Vec<Vec<u8>> {
    let mut plan = vec![];
    if stream.one_in(2) {
        plan.push(auth_frame(&[&[1, 0, 76, 0, 19, 0, 255, 33, 93][..], &[5; 32]].concat()));
    }
    let mut commit = peer.authentication().expect("the peer begins");
    if stream.one_in(2) {
        let refusal = [1, 0, 77, 0, 19, 0];
        plan.push(auth_frame(&refusal));
        peer.station.handle_auth_frame(&auth_frame_from(STATION, AP, &refusal), peer.now, &mut peer.entropy);
        peer.act();
        commit = peer.authentication().expect("the peer goes on with the next group");
    }
    plan.push(auth_frame(&commit));
    plan.reverse();
    plan
}

#[test]
fn wifi_station() {
    let name = "wifi station";
    let mut ap = Authenticator::protected();
    let mut bed = Bed::new(true, STATION, ap.pmk());
    let stream = stream(name, vec![ap::elements(Offer::Psk), ap::elements(Offer::Sae)], 300);
    fuzz(name, 10 * MILLION, stream, |stream| {
        let good = one_input(&mut bed, &mut ap, stream);
        bed.act();
        assert!(good || !bed.installs(), "a key from nothing");
        for action in core::mem::take(&mut bed.asked) {
            match action {
                // The radio mostly does what it is told.
                Action::Scan(_) if !stream.one_in(4) => bed.scanned(&[ap::bss(ap.offer())]),
                Action::SendActionFrame(question) if !stream.one_in(4) => {
                    let mut answer = [&[0xd0, 0, 0, 0][..], &STATION.0, &AP.0, &AP.0, &[0, 0, 8, 1]].concat();
                    answer.extend(&question[26..]);
                    bed.station.handle_action_frame(&answer);
                }
                Action::Connect(_) if !stream.one_in(4) => {
                    ap.reset();
                    bed.connected(AP);
                }
                Action::SendEapol { frame, .. } if !stream.one_in(4) => {
                    if let Some(m3) = ap.m3(&frame) {
                        bed.station.handle_eapol(AP, &m3, None, bed.now, &mut bed.entropy);
                        bed.act();
                    }
                }
                _ => {}
            }
        }
        bed.station.is_up()
    });
}

/// Something happens; returns whether it was a true key frame.
fn one_input(bed: &mut Bed, ap: &mut Authenticator, stream: &mut Mutator) -> bool {
    let bssid = stream.pick(&[AP, AP, STATION, MacAddr([0xff; 6])]);
    let (now, dice) = (bed.now, stream.below(64));
    match dice {
        0..20 => {
            let m1 = ap.m1();
            bed.station.handle_eapol(AP, &m1, None, now, &mut bed.entropy);
        }
        20..26 => bed.now = now + Duration::from_millis(stream.below(2000).into()),
        26..36 => {
            if let Some(due) = bed.station.poll_timeout() {
                bed.now = now.max(due);
                bed.station.handle_timeout(bed.now, &mut bed.entropy);
            }
        }
        36 if stream.one_in(4) => {
            let how = Disconnected { bssid: Some(bssid), reason: stream.below(70) as u16, by_ap: stream.one_in(2) };
            bed.station.handle_disconnected(how, now, &mut bed.entropy);
        }
        37 if stream.one_in(4) => {
            let roamed = Roamed { bssid, response: vec![], authorized: stream.one_in(4) };
            bed.station.handle_roamed(&roamed, now, &mut bed.entropy);
            return true;
        }
        38 => {
            let status = stream.pick(&[None, Some(0), Some(0), Some(1), Some(17)]);
            let outcome = Connected { bssid: Some(bssid), status, response: vec![], authorized: stream.one_in(8) };
            bed.station.handle_connected(&outcome, now, &mut bed.entropy);
        }
        39 if stream.one_in(4) => {
            let what = stream.pick(&[
                Failed::Scan,
                Failed::Authenticate,
                Failed::Associate,
                Failed::Connect,
                Failed::Auth,
                Failed::Eapol,
                Failed::Query,
                Failed::Key,
                Failed::Port,
            ]);
            bed.station.handle_failed(what, 16, now, &mut bed.entropy);
        }
        40..44 => {
            let quality = Quality { signal: stream.below(100) as i8 - 100, rate: stream.below(9000) };
            bed.station.handle_quality(quality, now);
        }
        44 => bed.station.handle_beacon_loss(now),
        45 => bed.station.handle_channel(stream.below(6000)),
        46..50 => {
            let elements = stream.next_packet().clone();
            bed.station.handle_scan_done(&[Bss { elements, bssid, ..ap::bss(Offer::Psk) }], now, &mut bed.entropy);
        }
        50..53 => {
            let data = stream.next_packet().clone();
            bed.station.handle_auth_frame(&auth_frame(&data), now, &mut bed.entropy);
        }
        53 => bed.station.handle_auth_timeout(bssid, now, &mut bed.entropy),
        54 => {
            let wanted = ExternalAuth { start: stream.one_in(2), bssid, ssid: SSID.to_vec(), akm: 0x000f_ac08 };
            bed.station.handle_external_auth(&wanted, now, &mut bed.entropy);
        }
        55 if stream.one_in(100) => bed.station.handle_radio_gone(now),
        55 => bed.station.handle_radio(radio(stream.one_in(2), STATION), now, &mut bed.entropy),
        56..60 => {
            let frame = stream.next_packet().clone();
            bed.station.handle_eapol(bssid, &frame, None, now, &mut bed.entropy);
        }
        60 if ap.has_key() => {
            let frame = if stream.one_in(2) { ap.g1() } else { ap.repeat_m3() };
            bed.station.handle_eapol(AP, &frame, None, now, &mut bed.entropy);
            return true;
        }
        61 => bed.station.handle_unprotected(bssid, stream.pick(&[3, 6, 7]), now, &mut bed.entropy),
        62 => {
            let frame = stream.next_packet().clone();
            bed.station
                .handle_action_frame(&[&[0xd0, 0, 0, 0][..], &STATION.0, &AP.0, &AP.0, &[0, 0], &frame].concat());
        }
        _ => bed.station.handle_pmk(&bed.pmk.clone(), now, &mut bed.entropy),
    }
    false
}
