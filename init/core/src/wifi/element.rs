//! Elements of beacons, probe responses and association frames (IEEE 802.11-2020 section 9.4.2): finding them in any
//! bytes.

use alloc::string::String;

/// SSID (section 9.4.2.2).
pub(super) const SSID: u8 = 0;

/// RSN (section 9.4.2.24).
pub(super) const RSN: u8 = 48;

/// The elements of a frame body; ends at the first that is cut off.
pub(super) fn elements(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    core::iter::from_fn(move || {
        let (&[id, length], rest) = bytes.split_first_chunk()?;
        let (body, rest) = rest.split_at_checked(length.into())?;
        bytes = rest;
        Some((id, body))
    })
}

/// The body of the first element with this number.
pub(super) fn find(bytes: &[u8], wanted: u8) -> Option<&[u8]> {
    elements(bytes).find(|(id, _)| *id == wanted).map(|(_, body)| body)
}

/// A network's name for a person: it is any 32 bytes that a stranger chose.
pub(super) fn printable(ssid: &[u8]) -> String {
    ssid.utf8_chunks()
        .flat_map(|chunk| {
            let text = chunk.valid().escape_debug();
            text.chain(chunk.invalid().iter().flat_map(|byte| core::ascii::escape_default(*byte)).map(char::from))
        })
        .collect()
}

/// The body of the first element with this extended number (section 9.4.2.1), after the number.
pub(super) fn extension(bytes: &[u8], wanted: u8) -> Option<&[u8]> {
    elements(bytes)
        .filter(|(id, _)| *id == 255)
        .find_map(|(_, body)| body.split_first().filter(|(number, _)| **number == wanted).map(|(_, rest)| rest))
}
