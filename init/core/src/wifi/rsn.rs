//! The RSN element (IEEE 802.11-2020 section 9.4.2.24) and its extension (9.4.2.241): what an access point offers, and
//! what we ask for.

use super::crypto::Akm;
use super::element::{self, RSN};
use alloc::vec;
use alloc::vec::Vec;

/// RSN Extension element.
pub(super) const RSNX: u8 = 244;

/// CCMP-128, the only cipher for data that is used here.
pub(super) const CCMP: u32 = 0x000f_ac04;

/// BIP-CMAC-128, for broadcast management frames.
pub(super) const BIP_CMAC: u32 = 0x000f_ac06;

/// Capability bit: management frame protection is required.
const MFP_REQUIRED: u16 = 1 << 6;

/// Capability bit: management frame protection is possible.
const MFP_CAPABLE: u16 = 1 << 7;

/// Bit 5 of the RSN extension: SAE by hash to element.
const RSNX_HASH_TO_ELEMENT: u8 = 1 << 5;

/// What an access point's RSN element says. An element may end after any field; what is missing has the standard's
/// default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rsn {
    /// Cipher of broadcasts.
    pub group: u32,
    /// Ciphers of a pair, at most [`MAX_SUITES`].
    pub pairwise: Vec<u32>,
    /// Authentication and key management suites, at most [`MAX_SUITES`].
    pub akms: Vec<u32>,
    /// Management frame protection is required.
    pub mfp_required: bool,
    /// Management frame protection is possible.
    pub mfp_capable: bool,
    /// Cipher of broadcast management frames.
    pub group_management: u32,
}

/// More suites than this in one list are not remembered; a true one has three or four.
const MAX_SUITES: usize = 16;

impl Rsn {
    /// Reads an element's body. `None` if it has another version or is cut off within a field.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let mut rest = Reader(body);
        if rest.u16()? != 1 {
            return None;
        }
        let mut rsn = Self {
            group: CCMP,
            pairwise: vec![CCMP],
            akms: vec![0x000f_ac01],
            mfp_required: false,
            mfp_capable: false,
            group_management: BIP_CMAC,
        };
        if rest.is_empty() {
            return Some(rsn);
        }
        rsn.group = rest.suite()?;
        if rest.is_empty() {
            return Some(rsn);
        }
        rsn.pairwise = rest.suites()?;
        if rest.is_empty() {
            return Some(rsn);
        }
        rsn.akms = rest.suites()?;
        if rest.is_empty() {
            return Some(rsn);
        }
        let capabilities = rest.u16()?;
        rsn.mfp_required = capabilities & MFP_REQUIRED != 0;
        rsn.mfp_capable = capabilities & MFP_CAPABLE != 0;
        if rest.is_empty() {
            return Some(rsn);
        }
        let pmkids = usize::from(rest.u16()?);
        rest.take(pmkids.checked_mul(16)?)?;
        if !rest.is_empty() {
            rsn.group_management = rest.suite()?;
        }
        Some(rsn)
    }

    /// Whether a suite is among the access point's.
    pub fn has(&self, akm: Akm) -> bool {
        self.akms.contains(&akm.suite())
    }
}

/// Whether an access point knows SAE's hash to element; `elements` are those of its beacon.
pub(super) fn knows_hash_to_element(elements: &[u8]) -> bool {
    element::find(elements, RSNX).and_then(<[u8]>::first).is_some_and(|byte| byte & RSNX_HASH_TO_ELEMENT != 0)
}

/// Our RSN element, header and all.
pub(super) fn request(akm: Akm, group: u32, mfp: bool, mfp_required: bool) -> Vec<u8> {
    let mut body = 1_u16.to_le_bytes().to_vec();
    body.extend(group.to_be_bytes());
    body.extend([1, 0]);
    body.extend(CCMP.to_be_bytes());
    body.extend([1, 0]);
    body.extend(akm.suite().to_be_bytes());
    let required = if mfp_required { MFP_REQUIRED } else { 0 };
    let capabilities = if mfp { MFP_CAPABLE | required } else { 0 };
    body.extend(capabilities.to_le_bytes());
    if mfp {
        body.extend([0, 0]);
        body.extend(BIP_CMAC.to_be_bytes());
    }
    let mut element = vec![RSN, u8::try_from(body.len()).unwrap_or_default()];
    element.extend(body);
    element
}

/// Our RSN extension for hash to element.
pub(super) fn request_extension() -> [u8; 3] {
    [RSNX, 1, RSNX_HASH_TO_ELEMENT]
}

/// The element with this number, header and all, as it stands among the others.
pub(super) fn whole(elements: &[u8], number: u8) -> Option<Vec<u8>> {
    let body = element::find(elements, number)?;
    Some([&[number, u8::try_from(body.len()).unwrap_or_default()], body].concat())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(*self.take(2)?.first_chunk()?))
    }

    fn suite(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(*self.take(4)?.first_chunk()?))
    }

    fn suites(&mut self) -> Option<Vec<u32>> {
        let count = usize::from(self.u16()?);
        let list = self.take(count.checked_mul(4)?)?;
        let (suites, _) = list.as_chunks::<4>();
        Some(suites.iter().take(MAX_SUITES).map(|suite| u32::from_be_bytes(*suite)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wifi::tests::hex;

    /// The first example of IEEE 802.11-2020 section 9.4.2.24.1, without its header and with PSK for 802.1X.
    #[test]
    fn section_9_4_2_24_fields_may_be_left_out_from_the_end() {
        let full = hex("0100 000fac04 0200 000fac04 000fac02 0200 000fac02 000fac08 c000 0000 000fac06");
        let rsn = Rsn::parse(&full).unwrap();
        assert_eq!((rsn.group, rsn.pairwise.len(), rsn.akms.len()), (CCMP, 2, 2));
        assert!(rsn.mfp_required && rsn.mfp_capable && rsn.has(Akm::Sae) && !rsn.has(Akm::PskSha256));
        let ends = [2, 6, 16, 26, 28, 30, 34];
        for cut in 0..=full.len() {
            let complete = ends.contains(&cut);
            assert_eq!(Rsn::parse(&full[..cut]).is_some(), complete, "{cut}");
        }
        assert_eq!(Rsn::parse(&hex("0100")).unwrap().akms, [0x000f_ac01]);
        assert_eq!(Rsn::parse(&hex("0200 000fac04")), None);
    }

    #[test]
    fn what_we_ask_for_reads_back() {
        for (akm, mfp) in [(Akm::Psk, false), (Akm::PskSha256, true), (Akm::Sae, true)] {
            let element = request(akm, CCMP, mfp, mfp);
            let rsn = Rsn::parse(element::find(&element, RSN).unwrap()).unwrap();
            assert!(rsn.has(akm) && rsn.mfp_capable == mfp && rsn.mfp_required == mfp);
        }
    }
}
