//! The options of a DHCP message, gathered before any is understood.
//!
//! The codec crate's own list reader stops at the first option that it dislikes, keeps the last of two options with the
//! same code, does not know overloaded fields, and asserts on options that no client needs. So the raw bytes are walked
//! here: parts of one option are joined (RFC 3396 section 7), the `file` and `sname` fields are read where option 52
//! says that they hold options (RFC 2132 section 9.3), and each option is then decoded by itself, so that a broken one
//! spoils nothing but itself.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use dhcproto::v4::{DhcpOption, OptionCode, encode_long_opt_bytes};
use dhcproto::{Decodable, Decoder, Encoder};

/// The fixed header in front of the magic cookie, in bytes (RFC 2131 figure 1).
pub(super) const HEADER: usize = 236;

/// The magic cookie that options begin with (RFC 2131 section 3).
pub(super) const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// Where `sname` and `file` stand in the header.
const SNAME: core::ops::Range<usize> = 44..108;
const FILE: core::ops::Range<usize> = 108..236;

/// The options that a client looks at, and the length of those that have a fixed one. Everything else is skipped.
const WANTED: [(OptionCode, Option<usize>); 14] = [
    (OptionCode::SubnetMask, Some(4)),
    (OptionCode::Router, None),
    (OptionCode::DomainNameServer, None),
    (OptionCode::DomainName, None),
    (OptionCode::InterfaceMtu, Some(2)),
    (OptionCode::AddressLeaseTime, Some(4)),
    (OptionCode::OptionOverload, Some(1)),
    (OptionCode::MessageType, Some(1)),
    (OptionCode::ServerIdentifier, Some(4)),
    (OptionCode::Renewal, Some(4)),
    (OptionCode::Rebinding, Some(4)),
    (OptionCode::ClasslessStaticRoute, None),
    (OptionCode::CaptivePortal, None),
    (OptionCode::NtpServers, None),
];

/// The options of one message.
pub(super) struct Options(BTreeMap<OptionCode, DhcpOption>);

impl Options {
    /// Gathers the options of a message; `None` if it has no magic cookie.
    pub fn gather(payload: &[u8]) -> Option<Self> {
        let after_cookie = payload.get(HEADER..)?.strip_prefix(&COOKIE)?;
        let mut parts = BTreeMap::new();
        walk(after_cookie, &mut parts);
        let overload =
            parts.get(&u8::from(OptionCode::OptionOverload)).and_then(|data: &Vec<u8>| data.first().copied());
        let overload = overload.unwrap_or(0);
        // The order is that of RFC 3396 section 5: options, file, sname.
        if overload & 1 != 0 {
            walk(payload.get(FILE).unwrap_or_default(), &mut parts);
        }
        if overload & 2 != 0 {
            walk(payload.get(SNAME).unwrap_or_default(), &mut parts);
        }
        let decoded = WANTED.into_iter().filter_map(|(code, length)| {
            let data = parts.get(&u8::from(code))?;
            let data = length.map_or(Some(data.as_slice()), |length| data.get(..length))?;
            Some((code, decode(code, data)?))
        });
        Some(Self(decoded.collect()))
    }

    /// One of the wanted options, if it is there and well formed.
    pub fn get(&self, code: OptionCode) -> Option<&DhcpOption> {
        self.0.get(&code)
    }
}

/// Collects code and data of every option up to the end mark, parts of the same code joined in order.
fn walk(mut bytes: &[u8], parts: &mut BTreeMap<u8, Vec<u8>>) {
    while let Some((&code, rest)) = bytes.split_first() {
        match code {
            0 => bytes = rest,
            255 => return,
            _ => {
                let Some((&length, rest)) = rest.split_first() else { return };
                let Some((data, rest)) = rest.split_at_checked(usize::from(length)) else { return };
                parts.entry(code).or_default().extend_from_slice(data);
                bytes = rest;
            }
        }
    }
}

/// Decodes one option from its joined data.
fn decode(code: OptionCode, data: &[u8]) -> Option<DhcpOption> {
    let mut wire = Vec::new();
    encode_long_opt_bytes(code, data, &mut Encoder::new(&mut wire)).ok()?;
    DhcpOption::decode(&mut Decoder::new(&wire)).ok()
}
