//! The packet (RFC 5905 section 7.3): forty-eight octets. What may follow them (extension fields, a digest) is neither
//! read nor sent: nothing here is authenticated.

use super::timestamp::{Timestamp, short};

/// Octets of a packet.
pub const SIZE: usize = 48;

/// The largest message that is looked at: room for what others append.
pub const MAX_SIZE: usize = 512;

/// Who speaks (RFC 5905 figure 1).
pub(super) mod mode {
    pub(in crate::ntp) const CLIENT: u8 = 3;
    pub(in crate::ntp) const SERVER: u8 = 4;
}

/// "Not synchronised" in the leap field (RFC 5905 figure 9).
pub(super) const UNSYNCHRONISED: u8 = 3;

/// A packet's fields, as they stand on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Packet {
    /// Leap indicator, 0 to 3.
    pub leap: u8,
    /// Version, 0 to 7.
    pub version: u8,
    /// Mode, 0 to 7.
    pub mode: u8,
    /// Distance to a clock that keeps the time by itself; 0: see the kiss code, 16: none known.
    pub stratum: u8,
    /// Seconds between two packets, as a power of two.
    pub poll: u8,
    /// How finely the clock can be read, as a power of two of seconds.
    pub precision: i8,
    /// The way there and back to that clock, in the short format.
    pub root_delay: u32,
    /// How far it may be off, in the short format.
    pub root_dispersion: u32,
    /// Where the time comes from, or a kiss code.
    pub reference_id: [u8; 4],
    /// When the clock was last set.
    pub reference: Timestamp,
    /// When the question left, in the asker's words.
    pub origin: Timestamp,
    /// When it came.
    pub receive: Timestamp,
    /// When this packet left.
    pub transmit: Timestamp,
}

impl Packet {
    /// `None` if it is too short or too long.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_SIZE {
            return None;
        }
        let (head, rest) = bytes.split_first_chunk::<4>()?;
        let (root, rest) = rest.split_first_chunk::<12>()?;
        let times = rest.first_chunk::<32>()?;
        let [first, stratum, poll, precision] = *head;
        let word = |at: usize| root.get(at..at + 4).and_then(|part| part.try_into().ok()).unwrap_or([0; 4]);
        let time = |at: usize| {
            let eight = times.get(at..at + 8).and_then(|part| part.try_into().ok()).unwrap_or([0; 8]);
            Timestamp(u64::from_be_bytes(eight))
        };
        Some(Self {
            leap: first >> 6,
            version: first >> 3 & 7,
            mode: first & 7,
            stratum,
            poll,
            precision: precision as i8,
            root_delay: u32::from_be_bytes(word(0)),
            root_dispersion: u32::from_be_bytes(word(4)),
            reference_id: word(8),
            reference: time(0),
            origin: time(8),
            receive: time(16),
            transmit: time(24),
        })
    }

    /// Its octets.
    pub fn write(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        let head = [self.leap << 6 | (self.version & 7) << 3 | self.mode & 7, self.stratum, self.poll];
        let parts = head.into_iter().chain(self.precision.to_be_bytes());
        let parts = parts.chain(self.root_delay.to_be_bytes()).chain(self.root_dispersion.to_be_bytes());
        let times = [self.reference, self.origin, self.receive, self.transmit];
        let parts = parts.chain(self.reference_id).chain(times.into_iter().flat_map(|time| time.0.to_be_bytes()));
        bytes.iter_mut().zip(parts).for_each(|(byte, part)| *byte = part);
        bytes
    }

    /// A question that tells nothing about who asks, not even what time it is there: the transmit timestamp is a
    /// number that only we know, and so a proof that the answer is to this question (RFC 9109 for the port; the
    /// draft on data minimisation in NTP for the rest).
    pub fn question(nonce: u64) -> Self {
        Self { version: 4, mode: mode::CLIENT, precision: 0x20, transmit: Timestamp(nonce), ..Self::default() }
    }

    /// Sets root delay and root dispersion, in nanoseconds.
    pub fn with_root(self, delay: u64, dispersion: u64) -> Self {
        Self { root_delay: short(delay), root_dispersion: short(dispersion), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_question_is_what_the_rfc_draws_and_says_nothing_else() {
        let bytes = Packet::question(0x0102_0304_0506_0708).write();
        assert_eq!(bytes[..4], [0x23, 0, 0, 0x20]);
        assert_eq!(bytes[4..40], [0; 36]);
        assert_eq!(bytes[40..], [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn lengths_are_checked() {
        assert!(Packet::read(&[0; 47]).is_none() && Packet::read(&[0; MAX_SIZE + 1]).is_none());
        assert!(Packet::read(&[0; 48]).is_some() && Packet::read(&[0; 68]).is_some());
    }

    proptest! {
        #[test]
        fn what_was_read_is_written_again(bytes in proptest::collection::vec(any::<u8>(), SIZE)) {
            let packet = Packet::read(&bytes).unwrap();
            prop_assert_eq!(&packet.write()[..], &bytes[..]);
        }
    }
}
