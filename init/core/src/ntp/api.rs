//! What goes into the time client and what comes out of it, and the sentences about it.

use crate::net::Ipv4Addr;
use crate::time::{Correction, UnixNanos};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What the client is told at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Names and addresses of servers, in the order of the configuration.
    pub servers: Vec<String>,
    /// The time at which the program was built: no moment before it is real, and it tells NTP's eras apart.
    pub built: UnixNanos,
}

/// What the client wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Look up the addresses of this name, and hand them to [`super::Client::handle_addresses`].
    Resolve(String),
    /// Send this to port 123 of the server from a socket of its own, and hand what comes back to
    /// [`super::Client::handle_packet`].
    Ask {
        /// Whom.
        server: Ipv4Addr,
        /// The packet.
        payload: [u8; super::SIZE],
    },
    /// For PID 1.
    Correct(Correction),
    /// Something to tell people.
    Note(Note),
}

/// What the client noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// The clock is off by so many nanoseconds, more than can be slewed.
    Stepping(i64),
    /// The clock is right, by so many servers; said when it was not before.
    Right(usize),
    /// So many servers answered, and no more than half of them agree.
    Disagree(usize),
    /// This server asked not to be asked any more.
    Banned(Ipv4Addr),
    /// Nothing was heard for so long that the clock may be off.
    Lost,
}

impl fmt::Display for Note {
    /// One sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Stepping(offset) => {
                let way = if *offset > 0 { "behind" } else { "ahead" };
                write!(f, "The clock is {} s {way}: it is set.", Tenths(offset.unsigned_abs()))
            }
            Note::Right(1) => f.write_str("The clock is right, says one time server."),
            Note::Right(servers) => write!(f, "The clock is right, say {servers} time servers."),
            Note::Disagree(servers) => {
                write!(f, "{servers} time servers answered, and they do not agree: the clock is left as it is.")
            }
            Note::Banned(server) => write!(f, "The time server {server} does not want to be asked."),
            Note::Lost => f.write_str("No time server has answered for a day: the clock may be off."),
        }
    }
}

/// Nanoseconds as seconds with one digit.
struct Tenths(u64);

impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0.saturating_add(50_000_000) / 100_000_000;
        write!(f, "{}.{}", tenths / 10, tenths % 10)
    }
}

/// How well the time is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The server whose word counted most.
    pub server: Ipv4Addr,
    /// Its stratum, 1 to 15.
    pub stratum: u8,
    /// Root delay, in nanoseconds.
    pub delay: u64,
    /// Root dispersion, in nanoseconds; it grows while nothing is heard.
    pub dispersion: u64,
    /// What was found wrong at the last round, in nanoseconds.
    pub offset: i64,
    /// Servers that agreed.
    pub servers: usize,
    /// When that was: by the wall clock,
    pub since: UnixNanos,
    /// and by the boot clock in nanoseconds.
    pub boot: u64,
}
