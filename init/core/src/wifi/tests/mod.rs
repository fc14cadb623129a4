//! Conversations with the station: an access point made of the same codecs, and a radio that does what it is told.

mod handshake;
mod joining;
mod looking;
mod roaming;
mod sa_query;

use super::crypto::{Akm, Ptk};
use super::eapol::{self, KeyFrame, info};
use super::rsn::{BIP_CMAC, CCMP};
use super::*;
use crate::config::WifiSecurity;
use crate::entropy::SeededEntropy;
use aes_kw::KwAes128;
use alloc::format;
use hmac::digest::KeyInit;

/// Bytes of a text of hexadecimal digits, white space left out.
pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    (0..digits.len() / 2).map(|n| u8::from_str_radix(&digits[2 * n..2 * n + 2], 16).unwrap()).collect()
}

pub(super) const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const PASSPHRASE: &str = "MY-PASSWORD";
const SSID: &str = "MY-WIFI-NAME";

/// What Python's `hashlib.pbkdf2_hmac("sha1", PASSPHRASE, SSID, 4096, 32)` makes of the two.
const PMK: &str = "0c3032029b565ff0d656694ea858de8ac588e17ffe7e33c8e2cd2f7df1a27864";

/// An access point of the network, with its elements.
#[derive(Clone)]
pub(super) struct Ap {
    pub bssid: MacAddr,
    pub ssid: String,
    pub signal: i8,
    pub frequency: u32,
    /// Suites of the RSN element; none for an open network.
    pub akms: Vec<Akm>,
    /// RSN capabilities.
    pub capabilities: u16,
    pub hash_to_element: bool,
    pub pmk: Secret,
    pub replay: u64,
    pub anonce: [u8; 32],
    pub gtk: ([u8; 16], u8),
    pub igtk: ([u8; 16], u8),
    ptk: Option<Ptk>,
}

/// Both bits of management frame protection.
pub(super) const MFP: u16 = 0xc0;

pub(super) fn wpa2(last: u8) -> Ap {
    Ap {
        bssid: MacAddr([2, 0, 0, 0, 1, last]),
        ssid: SSID.into(),
        signal: -50,
        frequency: 2412,
        akms: vec![Akm::Psk],
        capabilities: 0,
        hash_to_element: false,
        pmk: Secret::new(hex(PMK)),
        replay: 1,
        anonce: [last; 32],
        gtk: ([0x11; 16], 1),
        igtk: ([0x22; 16], 4),
        ptk: None,
    }
}

pub(super) fn wpa3(last: u8) -> Ap {
    Ap { akms: vec![Akm::Sae], capabilities: MFP, hash_to_element: true, ..wpa2(last) }
}

pub(super) fn open(last: u8) -> Ap {
    Ap { akms: vec![], ..wpa2(last) }
}

impl Ap {
    pub fn rsn(&self) -> Vec<u8> {
        let mut body = vec![1, 0];
        body.extend(CCMP.to_be_bytes());
        body.extend([1, 0]);
        body.extend(CCMP.to_be_bytes());
        body.extend(u16::try_from(self.akms.len()).unwrap().to_le_bytes());
        self.akms.iter().for_each(|akm| body.extend(akm.suite().to_be_bytes()));
        body.extend(self.capabilities.to_le_bytes());
        if self.capabilities & MFP != 0 {
            body.extend([0, 0]);
            body.extend(BIP_CMAC.to_be_bytes());
        }
        [vec![48, u8::try_from(body.len()).unwrap()], body].concat()
    }

    pub fn rsnx(&self) -> Vec<u8> {
        if self.hash_to_element { vec![244, 1, 0x20] } else { vec![] }
    }

    pub fn bss(&self) -> Bss {
        let mut elements = vec![0, u8::try_from(self.ssid.len()).unwrap()];
        elements.extend(self.ssid.as_bytes());
        if !self.akms.is_empty() {
            elements.extend(self.rsn());
            elements.extend(self.rsnx());
        }
        Bss {
            bssid: self.bssid,
            frequency: self.frequency,
            signal: self.signal,
            capability: if self.akms.is_empty() { 1 } else { 0x11 },
            age: 10,
            elements,
        }
    }

    pub fn frame(&mut self, akm: Akm, bits: u16, data: &[u8]) -> Vec<u8> {
        self.replay += 1;
        let kck = self.ptk.as_ref().map_or(Secret::copy_of(&[0; 16]), |ptk| ptk.kck.clone());
        eapol::build(akm, &kck, bits, self.replay, &self.anonce, data)
    }

    pub fn m1(&mut self, akm: Akm) -> Vec<u8> {
        self.frame(akm, info::PAIRWISE | info::ACK, &[])
    }

    /// Checks M2 and answers with M3; `None` if the code is wrong, as with another passphrase.
    pub fn m3(&mut self, akm: Akm, m2: &[u8]) -> Option<Vec<u8>> {
        let key = KeyFrame::parse(m2).unwrap();
        assert!(key.has(info::PAIRWISE | info::MIC) && key.info & info::ACK == 0);
        let ptk = Ptk::derive(akm, &self.pmk, (self.bssid, &self.anonce), (OWN, &key.nonce));
        key.verify(akm, &ptk.kck).then(|| {
            assert_eq!(key.replay, self.replay);
            self.ptk = Some(ptk);
            let data = [self.rsn(), self.rsnx(), self.group_data()].concat();
            self.m3_with(akm, &data)
        })
    }

    pub fn m3_with(&mut self, akm: Akm, data: &[u8]) -> Vec<u8> {
        let bits = info::PAIRWISE | info::ACK | info::MIC | info::SECURE | info::INSTALL | info::ENCRYPTED;
        let wrapped = self.wrap(data);
        self.frame(akm, bits, &wrapped)
    }

    pub fn group_data(&self) -> Vec<u8> {
        let mut data = vec![221, 22, 0x00, 0x0f, 0xac, 1, self.gtk.1, 0];
        data.extend(self.gtk.0);
        if self.capabilities & MFP != 0 {
            data.extend([221, 28, 0x00, 0x0f, 0xac, 9, self.igtk.1, 0, 7, 0, 0, 0, 0, 0]);
            data.extend(self.igtk.0);
        }
        data
    }

    pub fn g1(&mut self, akm: Akm) -> Vec<u8> {
        let wrapped = self.wrap(&self.group_data());
        self.frame(akm, info::ACK | info::MIC | info::SECURE | info::ENCRYPTED, &wrapped)
    }

    pub fn wrap(&self, data: &[u8]) -> Vec<u8> {
        let mut plain = data.to_vec();
        if !plain.len().is_multiple_of(8) {
            plain.push(221);
            plain.resize(plain.len().next_multiple_of(8), 0);
        }
        let mut wrapped = vec![0; plain.len() + 8];
        let kek = &self.ptk.as_ref().unwrap().kek;
        KwAes128::new_from_slice(kek.expose()).unwrap().wrap_key(&plain, &mut wrapped).unwrap();
        wrapped
    }

    /// Whether a frame of ours has a right code.
    pub fn accepts(&self, akm: Akm, frame: &[u8]) -> bool {
        KeyFrame::parse(frame).unwrap().verify(akm, &self.ptk.as_ref().unwrap().kck)
    }

    pub fn tk(&self) -> Secret {
        self.ptk.as_ref().unwrap().tk.clone()
    }
}

/// A station, its clock, and what it asked for.
pub(super) struct Bed {
    pub station: Station,
    pub entropy: SeededEntropy,
    pub now: Instant,
    pub log: Vec<String>,
}

pub(super) fn network(ssid: &str, passphrase: Option<&str>) -> Network {
    Network {
        ssid: ssid.into(),
        passphrase: passphrase.map(|word| Secret::copy_of(word.as_bytes())),
        priority: 0,
        hidden: false,
        security: WifiSecurity::Any,
    }
}

pub(super) fn softmac() -> Radio {
    Radio {
        mac: OWN,
        authenticate: true,
        sae: true,
        handshake_offload: false,
        control_port: true,
        ciphers: vec![CCMP, BIP_CMAC],
        max_scan_ssids: 4,
        channels: vec![Channel { frequency: 2412, disabled: false, passive: false }],
    }
}

pub(super) fn fullmac() -> Radio {
    Radio { authenticate: false, control_port: false, ..softmac() }
}

impl Bed {
    pub fn with(radio: Radio, networks: Vec<Network>) -> Self {
        let settings = Settings { country: None, offload: false, networks };
        let mut bed = Self {
            station: Station::new(settings, None),
            entropy: SeededEntropy::new(42),
            now: Instant::from_secs(5),
            log: vec![],
        };
        bed.station.handle_radio(radio, bed.now, &mut bed.entropy);
        bed
    }

    pub fn new(radio: Radio) -> Self {
        Self::with(radio, vec![network(SSID, Some(PASSPHRASE))])
    }

    /// Everything that is asked for, without notes and keys for the card; keys are worked out on the way.
    pub fn actions(&mut self) -> Vec<Action> {
        let mut list = vec![];
        while let Some(action) = self.station.poll_action() {
            match action {
                Action::Note(text) => self.log.push(text),
                Action::Store(_) => {}
                Action::DerivePmk(job) => {
                    let done = job.run();
                    self.station.handle_pmk(&done, self.now, &mut self.entropy);
                }
                other => list.push(other),
            }
        }
        list
    }

    pub fn one(&mut self) -> Action {
        let mut list = self.actions();
        assert_eq!(list.len(), 1, "{list:?}");
        list.remove(0)
    }

    /// Waits for the next timer.
    pub fn wait(&mut self) {
        self.now = self.now.max(self.station.poll_timeout().unwrap());
        self.station.handle_timeout(self.now, &mut self.entropy);
    }

    /// Waits until the station wants to scan.
    pub fn until_scan(&mut self) -> Scan {
        for _ in 0..100 {
            for action in self.actions() {
                if let Action::Scan(scan) = action {
                    return scan;
                }
            }
            self.wait();
        }
        panic!("no scan: {}", self.station.status(self.now));
    }

    pub fn sees(&mut self, aps: &[&Ap]) {
        let results: Vec<Bss> = aps.iter().map(|ap| ap.bss()).collect();
        self.station.handle_scan_done(&results, self.now, &mut self.entropy);
    }

    pub fn connected(&mut self, ap: &Ap) {
        let outcome = Connected { bssid: Some(ap.bssid), status: Some(0), response: vec![], authorized: false };
        self.station.handle_connected(&outcome, self.now, &mut self.entropy);
    }

    pub fn disconnected(&mut self, reason: u16) {
        let how = Disconnected { bssid: None, reason, by_ap: true };
        self.station.handle_disconnected(how, self.now, &mut self.entropy);
    }

    pub fn hears(&mut self, ap: &Ap, frame: &[u8]) {
        self.station.handle_eapol(ap.bssid, frame, None, self.now, &mut self.entropy);
    }

    pub fn eapol(&mut self) -> Vec<u8> {
        let Action::SendEapol { frame, .. } = self.one() else { panic!() };
        frame
    }

    /// The handshake, up to the link; returns what was asked for after M3.
    pub fn shake(&mut self, ap: &mut Ap, akm: Akm) -> Vec<Action> {
        let m1 = ap.m1(akm);
        self.hears(ap, &m1);
        let m2 = self.eapol();
        let m3 = ap.m3(akm, &m2).expect("the same passphrase");
        self.hears(ap, &m3);
        self.actions()
    }

    /// From a scan to a link with a WPA2 network.
    pub fn up(&mut self, ap: &mut Ap) {
        self.until_scan();
        self.sees(&[ap]);
        assert!(matches!(self.one(), Action::Connect(_)));
        self.connected(ap);
        self.shake(ap, Akm::Psk);
        assert!(self.station.is_up(), "{}", self.station.status(self.now));
    }
}
