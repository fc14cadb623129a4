//! The LAN's time server (RFC 5905 section 14): each question of a client (mode 3) gets one answer (mode 4) of the same
//! size, and nothing else gets any: no control messages (modes 6 and 7, which others were abused with), no symmetric peers.
//!
//! A clock that is not known to be right says so: leap 3, stratum 16.

use super::api::Standing;
use super::packet::{Packet, SIZE, UNSYNCHRONISED, mode};
use super::timestamp::Timestamp;
use crate::net::{Ipv4Addr, Ipv4Net};
use crate::time::{Duration, Instant, UnixNanos};
use alloc::collections::BTreeMap;

/// Clients remembered for their share. When all places are taken the one that has been silent for the longest goes.
pub const MAX_CLIENTS: usize = 1024;

/// Questions of one client that are answered at once, and then one each second: a client at its start asks eight times
/// in a few seconds, later once a minute at most.
pub const BURST: u64 = 16;

/// One client's share comes back at this pace.
const REFILL: Duration = Duration::from_secs(1);

/// The stratum of a clock that is not known to be right (RFC 5905 figure 11).
const UNKNOWN: u8 = 16;

/// How finely the clock can be read, as a power of two of seconds: about a microsecond.
const PRECISION: i8 = -20;

/// The server.
#[derive(Debug, Default)]
pub struct Server {
    /// Until when each client has used its share.
    used: BTreeMap<Ipv4Addr, Instant>,
    answered: u64,
    refused: u64,
}

impl Server {
    /// The answer to a message from `client` that came at `came`; it leaves now, at `leaves`. `None`: no answer.
    pub fn answer(
        &mut self,
        message: &[u8],
        client: (Ipv4Addr, u16),
        lan: Ipv4Net,
        standing: Option<Standing>,
        (came, leaves): (UnixNanos, UnixNanos),
        now: Instant,
    ) -> Option<[u8; SIZE]> {
        let question = Packet::read(message).filter(|packet| packet.mode == mode::CLIENT && packet.version >= 1)?;
        let (address, port) = client;
        let ours = lan.is_host(address) && address != lan.address() && port != 0;
        if !ours || question.version > 4 || !self.admit(address, now) {
            self.refused = self.refused.saturating_add(1);
            return None;
        }
        self.answered = self.answered.saturating_add(1);
        let answer = Packet {
            version: question.version,
            mode: mode::SERVER,
            poll: question.poll,
            precision: PRECISION,
            origin: question.transmit,
            receive: Timestamp::from_unix(came),
            transmit: Timestamp::from_unix(leaves),
            ..Packet::default()
        };
        let answer = match standing.filter(|standing| standing.stratum < UNKNOWN - 1) {
            Some(standing) => Packet {
                stratum: standing.stratum + 1,
                reference_id: standing.server.octets(),
                reference: Timestamp::from_unix(standing.since),
                ..answer.with_root(standing.delay, standing.dispersion)
            },
            None => Packet { leap: UNSYNCHRONISED, stratum: UNKNOWN, ..answer },
        };
        Some(answer.write())
    }

    /// Questions answered, and those that were over a share or from where we serve nobody.
    pub fn counts(&self) -> (u64, u64) {
        (self.answered, self.refused)
    }

    #[cfg(test)]
    pub(super) fn clients(&self) -> usize {
        self.used.len()
    }

    /// A bucket for each client: `used` is the moment at which it will be full again.
    fn admit(&mut self, client: Ipv4Addr, now: Instant) -> bool {
        let used = self.used.get(&client).copied().unwrap_or(now).max(now);
        if used.since(now) > REFILL * (BURST as u32 - 1) {
            return false;
        }
        if self.used.len() >= MAX_CLIENTS && !self.used.contains_key(&client) {
            let oldest = self.used.iter().min_by_key(|(_, used)| **used).map(|(client, _)| *client);
            oldest.map(|oldest| self.used.remove(&oldest));
        }
        self.used.insert(client, used + REFILL);
        true
    }
}
