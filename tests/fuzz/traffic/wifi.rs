//! An access point with WPA2-PSK, with and without management frame protection, as far as the key handshake goes.

use aes_kw::KwAes128;
use gatepost_core::net::MacAddr;
use gatepost_core::wifi::{Bss, PmkJob, Secret};
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha1::Sha1;

/// The station.
pub const STATION: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

/// The access point.
pub const AP: MacAddr = MacAddr([2, 0, 0, 0, 1, 1]);

/// The network's name.
pub const SSID: &[u8] = b"MY-WIFI-NAME";

/// Its passphrase.
pub const PASSPHRASE: &[u8] = b"MY-PASSWORD";

const RSN_PSK: &[u8] = &[48, 20, 1, 0, 0, 15, 172, 4, 1, 0, 0, 15, 172, 4, 1, 0, 0, 15, 172, 2, 0, 0];

const RSN_PSK_PROTECTED: &[u8] =
    &[48, 26, 1, 0, 0, 15, 172, 4, 1, 0, 0, 15, 172, 4, 1, 0, 0, 15, 172, 2, 192, 0, 0, 0, 0, 15, 172, 6];

const RSN_SAE: &[u8] =
    &[48, 26, 1, 0, 0, 15, 172, 4, 1, 0, 0, 15, 172, 4, 1, 0, 0, 15, 172, 8, 192, 0, 0, 0, 0, 15, 172, 6];

/// What an access point offers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// WPA2-PSK.
    Psk,
    /// The same with management frame protection.
    PskProtected,
    /// WPA3-SAE by hash to element.
    Sae,
}

/// The elements of a beacon: the name, and an RSN element.
pub fn elements(offer: Offer) -> Vec<u8> {
    let head = [&[0, SSID.len() as u8][..], SSID, &[1, 4, 2, 4, 11, 22, 3, 1, 1]].concat();
    match offer {
        Offer::Psk => [&head[..], RSN_PSK].concat(),
        Offer::PskProtected => [&head[..], RSN_PSK_PROTECTED].concat(),
        Offer::Sae => [&head[..], RSN_SAE, &[244, 1, 0x20]].concat(),
    }
}

/// The access point as a scan sees it.
pub fn bss(offer: Offer) -> Bss {
    Bss { bssid: AP, frequency: 2412, signal: -50, capability: 0x11, age: 1, elements: elements(offer) }
}

/// Its side of the handshake.
pub struct Authenticator {
    pmk: Secret,
    anonce: [u8; 32],
    replay: u64,
    ptk: Option<[u8; 48]>,
    gtk: u8,
    protected: bool,
}

impl Authenticator {
    pub fn new() -> Self {
        let pmk = PmkJob::new(SSID, &Secret::copy_of(PASSPHRASE)).run().pmk;
        Self { pmk, anonce: [9; 32], replay: 0, ptk: None, gtk: 0, protected: false }
    }

    /// With management frame protection: there is a key for BIP besides.
    pub fn protected() -> Self {
        Self { protected: true, ..Self::new() }
    }

    /// What its beacon says.
    pub fn offer(&self) -> Offer {
        if self.protected { Offer::PskProtected } else { Offer::Psk }
    }

    /// Another association: the counter begins anew.
    pub fn reset(&mut self) {
        (self.replay, self.ptk) = (0, None);
        self.anonce[0] = self.anonce[0].wrapping_add(1);
    }

    /// The key of the master key, for the station.
    pub fn pmk(&self) -> Secret {
        self.pmk.clone()
    }

    pub fn m1(&mut self) -> Vec<u8> {
        self.frame(0x008a, &[])
    }

    /// The answer to M2; `None` if its code is wrong.
    pub fn m3(&mut self, m2: &[u8]) -> Option<Vec<u8>> {
        let nonce = m2.get(17..49)?;
        let context =
            [&STATION.0.min(AP.0)[..], &STATION.0.max(AP.0), nonce.min(&self.anonce), nonce.max(&self.anonce)];
        let context = context.concat();
        let mut ptk = Vec::new();
        for counter in 0..3 {
            ptk.extend(hmac(self.pmk.expose(), &[b"Pairwise key expansion\0", &context, &[counter]]));
        }
        let ptk: [u8; 48] = ptk[..48].try_into().unwrap();
        let mut zeroed = m2.to_vec();
        zeroed.get_mut(81..97)?.fill(0);
        if hmac(&ptk[..16], &[&zeroed])[..16] != m2[81..97] {
            return None;
        }
        self.ptk = Some(ptk);
        Some(self.repeat_m3())
    }

    /// M3, with the next counter.
    pub fn repeat_m3(&mut self) -> Vec<u8> {
        let rsn = if self.protected { RSN_PSK_PROTECTED } else { RSN_PSK };
        let data = self.wrap(&[rsn, &self.group_key()].concat());
        self.frame(0x13ca, &data)
    }

    /// A new group key.
    pub fn g1(&mut self) -> Vec<u8> {
        self.gtk = self.gtk.wrapping_add(1);
        let data = self.wrap(&self.group_key());
        self.frame(0x1382, &data)
    }

    pub fn has_key(&self) -> bool {
        self.ptk.is_some()
    }

    fn group_key(&self) -> Vec<u8> {
        let mut data = [&[221, 22, 0, 15, 172, 1, 1 + self.gtk % 2, 0][..], &[self.gtk; 16]].concat();
        if self.protected {
            // IGTK: number, packet number, key (section 12.7.2).
            data.extend([221, 28, 0, 15, 172, 9, 4 + self.gtk % 2, 0, 1, 0, 0, 0, 0, 0]);
            data.extend([!self.gtk; 16]);
        }
        data
    }

    fn wrap(&self, data: &[u8]) -> Vec<u8> {
        let mut plain = data.to_vec();
        if !plain.len().is_multiple_of(8) {
            plain.push(221);
            plain.resize(plain.len().next_multiple_of(8), 0);
        }
        let mut wrapped = vec![0; plain.len() + 8];
        let kek = &self.ptk.unwrap_or([0; 48])[16..32];
        KwAes128::new_from_slice(kek).unwrap().wrap_key(&plain, &mut wrapped).unwrap();
        wrapped
    }

    fn frame(&mut self, info: u16, data: &[u8]) -> Vec<u8> {
        self.replay += 1;
        let mut frame = vec![2, 3];
        frame.extend((95 + data.len() as u16).to_be_bytes());
        frame.push(2);
        frame.extend(info.to_be_bytes());
        frame.extend([0, 16]);
        frame.extend(self.replay.to_be_bytes());
        frame.extend(self.anonce);
        frame.extend([0; 48]);
        frame.extend((data.len() as u16).to_be_bytes());
        frame.extend(data);
        self.sign(&mut frame);
        frame
    }

    /// Puts the right code into a frame that says that it has one, so that what was bent is looked at.
    pub fn sign(&self, frame: &mut [u8]) {
        if let Some(ptk) = self.ptk.filter(|_| frame.len() >= 99 && frame[5] & 1 != 0) {
            frame[81..97].fill(0);
            let code = hmac(&ptk[..16], &[frame]);
            frame[81..97].copy_from_slice(&code[..16]);
        }
    }
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}
