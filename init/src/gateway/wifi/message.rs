//! Generic netlink messages (`struct nlmsghdr`, `struct genlmsghdr`): building requests, taking datagrams apart.

use super::attribute;
use zeroize::Zeroizing;

/// `struct nlmsghdr` in bytes.
const NETLINK_HEADER: usize = 16;

/// With `struct genlmsghdr`.
const HEADER: usize = 20;

/// Room for any request with a key in it: a buffer that had to grow would leave a copy of the key behind.
const ROOM: usize = 4096;

const NLM_F_REQUEST: u16 = 0x001;
const NLM_F_ACK: u16 = 0x004;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// A request under construction. Erased when it is dropped, and never shown: it may hold a key.
pub struct Request {
    bytes: Zeroizing<Vec<u8>>,
    dump: bool,
}

impl Request {
    /// A request that is answered with an acknowledgement or an error number.
    pub fn new(command: u8) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
        bytes.extend([0; NETLINK_HEADER]);
        // Version 1, and two reserved bytes.
        bytes.extend([command, 1, 0, 0]);
        Self { bytes, dump: false }
    }

    /// A request for a list.
    pub fn dump(command: u8) -> Self {
        Self { dump: true, ..Self::new(command) }
    }

    /// Adds an attribute. One that is longer than an attribute can be is left out; nothing of ours is.
    pub fn put(mut self, kind: u16, value: &[u8]) -> Self {
        if let Ok(length) = u16::try_from(attribute::HEADER + value.len()) {
            self.bytes.extend(length.to_ne_bytes());
            self.bytes.extend(kind.to_ne_bytes());
            self.bytes.extend(value);
            let padded = self.bytes.len().next_multiple_of(4);
            self.bytes.resize(padded, 0);
        }
        self
    }

    /// Adds an attribute without a value.
    pub fn flag(self, kind: u16) -> Self {
        self.put(kind, &[])
    }

    /// Adds a number of 32 bits.
    pub fn u32(self, kind: u16, value: u32) -> Self {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Adds attributes in an attribute.
    pub fn nest(mut self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        let start = self.bytes.len();
        self.bytes.extend([0; attribute::HEADER]);
        self = fill(self);
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        if let Some(header) = self.bytes.get_mut(start..start + attribute::HEADER) {
            // NLA_F_NESTED
            header.copy_from_slice(&[length.to_ne_bytes(), (kind | 0x8000).to_ne_bytes()].concat());
        }
        self
    }

    /// Adds what `more` says if there is something.
    pub fn with<T>(self, value: Option<T>, more: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => more(self, value),
            None => self,
        }
    }

    /// The whole message, for this family, to be answered under this number.
    pub fn finish(mut self, family: u16, sequence: u32) -> Zeroizing<Vec<u8>> {
        let flags = NLM_F_REQUEST | if self.dump { NLM_F_DUMP } else { NLM_F_ACK };
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        let mut header = Vec::with_capacity(NETLINK_HEADER);
        header.extend(length.to_ne_bytes());
        header.extend(family.to_ne_bytes());
        header.extend(flags.to_ne_bytes());
        header.extend(sequence.to_ne_bytes());
        // The port: the kernel knows it.
        header.extend([0; 4]);
        if let Some(place) = self.bytes.get_mut(..NETLINK_HEADER) {
            place.copy_from_slice(&header);
        }
        self.bytes
    }
}

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// A command of the family with its attributes.
    Data {
        /// `genlmsghdr.cmd`
        command: u8,
        /// Behind it.
        attributes: &'a [u8],
    },
    /// The end of a list, or the answer to a request: 0 for done, else a positive error number.
    End(i32),
}

/// One message.
#[derive(Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The request that it answers; 0 for an event.
    pub sequence: u32,
    /// What it says.
    pub body: Body<'a>,
}

/// The messages of a datagram; ends at the first that is cut off. What is neither data nor an end is left out.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = datagram;
    let raw = std::iter::from_fn(move || {
        let (&header, _) = rest.split_first_chunk::<NETLINK_HEADER>()?;
        let [l0, l1, l2, l3, t0, t1, _, _, s0, s1, s2, s3, ..] = header;
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
        let payload = rest.get(NETLINK_HEADER..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([t0, t1]), u32::from_ne_bytes([s0, s1, s2, s3]), payload))
    });
    raw.filter_map(|(kind, sequence, payload)| Some(Message { sequence, body: body(kind, payload)? }))
}

fn body(kind: u16, payload: &[u8]) -> Option<Body<'_>> {
    match kind {
        NLMSG_ERROR | NLMSG_DONE => {
            let error = payload.first_chunk().copied().map_or(0, i32::from_ne_bytes);
            Some(Body::End(error.saturating_neg().max(0)))
        }
        // NLMSG_NOOP and what the kernel may yet think of below the families.
        0..0x10 => None,
        _ => {
            Some(Body::Data { command: payload.first().copied()?, attributes: payload.get(HEADER - NETLINK_HEADER..)? })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_reads_back() {
        let request = Request::new(7).u32(3, 9).nest(80, |key| key.put(1, b"abcde").flag(2));
        let bytes = request.finish(28, 5);
        let read: Vec<Message> = messages(&bytes).collect();
        let [Message { sequence: 5, body: Body::Data { command: 7, attributes } }] = &read[..] else {
            panic!("{read:?}");
        };
        assert_eq!(attribute::get_u32(attributes, 3), Some(9));
        let key = attribute::get(attributes, 80).unwrap();
        assert_eq!(attribute::get(key, 1), Some(&b"abcde"[..]));
        assert!(attribute::has(key, 2));
    }

    #[test]
    fn error_numbers_are_positive() {
        let refused = [&20u32.to_ne_bytes()[..], &2u16.to_ne_bytes(), &[0; 2], &4u32.to_ne_bytes(), &[0; 4]];
        let refused = [refused.concat(), (-114i32).to_ne_bytes().to_vec()].concat();
        let read: Vec<Message> = messages(&refused).collect();
        assert_eq!(read, [Message { sequence: 4, body: Body::End(114) }]);
    }

    proptest! {
        #[test]
        fn any_datagram_comes_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(messages(&bytes).count() <= 19);
        }
    }
}
