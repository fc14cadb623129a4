//! The pairwise master key of a passphrase: PBKDF2 of 4096 rounds (IEEE 802.11-2020 section J.4.1).

use super::secret::Secret;
use alloc::vec;
use alloc::vec::Vec;

/// PBKDF2's rounds (section J.4.1).
const ROUNDS: u32 = 4096;

/// Bytes of a PMK.
const PMK_BYTES: usize = 32;

/// The slow computation, ready to be run somewhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PmkJob {
    ssid: Vec<u8>,
    passphrase: Secret,
}

/// Its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PmkDone {
    /// The network's name.
    pub ssid: Vec<u8>,
    /// The passphrase that it belongs to.
    pub passphrase: Secret,
    /// The key, 32 bytes.
    pub pmk: Secret,
}

impl PmkJob {
    /// The job for one network.
    pub fn new(ssid: &[u8], passphrase: &Secret) -> Self {
        Self { ssid: ssid.to_vec(), passphrase: passphrase.clone() }
    }

    /// The network's name.
    pub(super) fn ssid(&self) -> &[u8] {
        &self.ssid
    }

    /// Takes up to a second on a Pi.
    pub fn run(self) -> PmkDone {
        let mut pmk = vec![0; PMK_BYTES];
        pbkdf2::pbkdf2_hmac::<sha1::Sha1>(self.passphrase.expose(), &self.ssid, ROUNDS, &mut pmk);
        PmkDone { ssid: self.ssid, passphrase: self.passphrase, pmk: Secret::new(pmk) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// IEEE 802.11-2020 section J.4.2, the three test vectors.
    #[test]
    fn ieee80211_j_4_2_passphrase_to_psk() {
        let psk = |passphrase: &str, ssid: &str| {
            PmkJob::new(ssid.as_bytes(), &Secret::copy_of(passphrase.as_bytes())).run().pmk
        };
        let vectors = [
            ("password", "IEEE", "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"),
            ("ThisIsAPassword", "ThisIsASSID", "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af"),
            (
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                "ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ",
                "becb93866bb8c3832cb777c2f559807c8c59afcb6eae734885001300a981cc62",
            ),
        ];
        for (passphrase, ssid, wanted) in vectors {
            let found: alloc::string::String =
                psk(passphrase, ssid).expose().iter().map(|b| alloc::format!("{b:02x}")).collect();
            assert_eq!(found, wanted, "{passphrase}");
        }
    }
}
