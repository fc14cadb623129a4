//! What the journal holds of a lease.
//!
//! ```text
//! lease, past = address (4) | boot clock in ms at saving u64 | wall clock in s at saving u64
//!             | remaining s u32 | granted s u32 | htype (1) | n (1) | hardware address (n)
//!             | n (1) | client identifier (n) | n (1) | host name (n)
//! gone        = address (4)
//! mark        = nothing
//! ```
//!
//! Integers are little-endian. A later record of an address or of a client replaces the earlier ones.
//!
//! **Time across a restart.** The machine has no clock that runs while it is off, and its wall clock jumps by months
//! when the network first tells it the time. So a record holds how long the lease still ran, and a restart takes off
//! only what has passed for certain: the lesser of what the boot clock and the wall clock show, each taken as zero if
//! it went back. The boot clock alone is right after a restart of the process and shows too little after one of the
//! machine; neither can make a lease end early. A lease that lives on too long costs nothing but its address.

use super::client::{Client, Hardware};
use super::hostname;
use crate::net::Ipv4Addr;
use crate::time::{Duration, Instant, WallTime};
use alloc::string::String;
use alloc::vec::Vec;

/// Kind numbers of the journal. Numbers are never given a second meaning; an unknown one is skipped.
///
/// History: 0 to 3, the first.
pub(super) mod kind {
    /// Nothing; gives a journal without leases a record, so that each write has a number of its own.
    pub(in super::super) const MARK: u8 = 0;
    /// A lease that runs.
    pub(in super::super) const LEASE: u8 = 1;
    /// A lease that has ended, and whose client would get the address again.
    pub(in super::super) const PAST: u8 = 2;
    /// Nobody has the address.
    pub(in super::super) const GONE: u8 = 3;
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Lease(Saved),
    Past(Saved),
    Gone(Ipv4Addr),
}

/// A lease at the moment of saving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Saved {
    pub(super) address: Ipv4Addr,
    pub(super) client: Client,
    pub(super) name: Option<String>,
    /// How long it still runs; whole seconds, rounded up.
    pub(super) remaining: Duration,
    /// How long it was granted for; whole seconds.
    pub(super) granted: Duration,
    pub(super) boot: Instant,
    pub(super) wall: WallTime,
}

impl Saved {
    /// How much of the lease is left after a restart.
    pub(super) fn left(&self, now: Instant, wall: WallTime) -> Duration {
        self.remaining.saturating_sub(now.since(self.boot).min(wall.since(self.wall)))
    }

    /// How much of it any later restart of this machine is sure to find left, whatever the wall clock shows by then:
    /// no more time can have passed than the boot clock says.
    pub(super) fn surely_left(&self, now: Instant) -> Duration {
        self.remaining.saturating_sub(now.since(self.boot))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.address.octets());
        out.extend_from_slice(&self.boot.as_millis().to_le_bytes());
        out.extend_from_slice(&self.wall.0.to_le_bytes());
        let up = self.remaining.saturating_add(Duration::from_millis(999)).as_secs();
        for secs in [up, self.granted.as_secs()] {
            out.extend_from_slice(&u32::try_from(secs).unwrap_or(u32::MAX).to_le_bytes());
        }
        out.push(self.client.hardware.kind());
        put(self.client.hardware.address(), out);
        put(self.client.id.as_deref().unwrap_or_default(), out);
        put(self.name.as_deref().unwrap_or_default().as_bytes(), out);
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let address = Ipv4Addr::from(take::<4>(&mut bytes)?);
        let boot = Instant::from_millis(u64::from_le_bytes(take(&mut bytes)?));
        let wall = WallTime(u64::from_le_bytes(take(&mut bytes)?));
        let mut secs = || Some(Duration::from_secs(u32::from_le_bytes(take(&mut bytes)?).into()));
        let (remaining, granted) = (secs()?, secs()?);
        let [htype] = take(&mut bytes)?;
        let hardware = Hardware::new(htype, text(&mut bytes)?)?;
        let id = Some(text(&mut bytes)?).filter(|id| !id.is_empty());
        let client = Client::new(hardware, id)?;
        let name = hostname::from_option(text(&mut bytes)?, "");
        bytes.is_empty().then_some(Self { address, client, name, remaining, granted, boot, wall })
    }
}

impl Record {
    /// `None` for a kind that says nothing about an address, or is not known to this version.
    pub(super) fn decode(kind: u8, payload: &[u8]) -> Option<Self> {
        match kind {
            kind::LEASE => Saved::decode(payload).map(Self::Lease),
            kind::PAST => Saved::decode(payload).map(Self::Past),
            kind::GONE => Some(Self::Gone(Ipv4Addr::from(<[u8; 4]>::try_from(payload).ok()?))),
            _ => None,
        }
    }
}

/// A byte string of at most 255 bytes behind its length. All of ours are: hardware addresses have at most 16 bytes,
/// names 63, client identifiers 255.
fn put(bytes: &[u8], out: &mut Vec<u8>) {
    let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    out.push(length);
    out.extend(bytes.iter().take(usize::from(length)));
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

fn text<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let [length] = take(bytes)?;
    let (head, rest) = bytes.split_at_checked(usize::from(length))?;
    *bytes = rest;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(id: Option<&[u8]>, name: Option<&str>) -> Saved {
        let hardware = Hardware::new(1, &[2, 0, 0, 0, 0, 9]).unwrap();
        Saved {
            address: Ipv4Addr::new(10, 0, 0, 9),
            client: Client::new(hardware, id).unwrap(),
            name: name.map(Into::into),
            remaining: Duration::from_secs(600),
            granted: Duration::from_secs(3600),
            boot: Instant::from_secs(1000),
            wall: WallTime(1_800_000_000),
        }
    }

    #[test]
    fn what_was_encoded_is_decoded_and_nothing_shorter_is() {
        for lease in [saved(None, None), saved(Some(&[7; 255]), Some("rpi2")), saved(Some(b"id"), None)] {
            let mut bytes = Vec::new();
            lease.encode(&mut bytes);
            assert_eq!(Record::decode(kind::LEASE, &bytes), Some(Record::Lease(lease.clone())));
            assert_eq!(Record::decode(kind::PAST, &bytes), Some(Record::Past(lease)));
            for length in 0..bytes.len() {
                assert_eq!(Record::decode(kind::LEASE, &bytes[..length]), None);
            }
            bytes.push(0);
            assert_eq!(Record::decode(kind::LEASE, &bytes), None);
        }
        assert_eq!(Record::decode(kind::GONE, &[10, 0, 0, 9]), Some(Record::Gone(Ipv4Addr::new(10, 0, 0, 9))));
        assert_eq!(Record::decode(kind::GONE, &[10, 0, 0]), None);
        assert_eq!(Record::decode(kind::MARK, &[]), None);
        assert_eq!(Record::decode(200, &[1]), None);
    }

    #[test]
    fn a_fraction_of_a_second_is_rounded_up() {
        let mut bytes = Vec::new();
        Saved { remaining: Duration::from_millis(1), ..saved(None, None) }.encode(&mut bytes);
        assert_eq!(Saved::decode(&bytes).unwrap().remaining, Duration::from_secs(1));
    }

    #[test]
    fn only_time_that_surely_passed_is_taken_off() {
        let left = |boot, wall| saved(None, None).left(Instant::from_secs(boot), WallTime(wall)).as_secs();
        let wall = 1_800_000_000;
        assert_eq!(left(1100, wall + 100), 500, "the process was restarted");
        assert_eq!(left(1100, wall + 9_000_000), 500, "and the wall clock was set in between");
        assert_eq!(left(1100, wall - 9_000_000), 600, "or set back: unknown, so nothing");
        assert_eq!(left(20, wall + 9_000_000), 600, "the machine was restarted: unknown");
        assert_eq!(left(9_000_000, wall + 9_000_000), 0);
    }
}
