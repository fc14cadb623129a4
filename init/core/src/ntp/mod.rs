//! The time from the network, and for the LAN: SNTP (RFC 5905 section 14) as a client of several servers and as a server.
//!
//! ```text
//!  servers' names ─► Resolve ─► addresses ─► a round: Ask each a few times ─► samples
//!                                                  │ replies                     │ who agrees (select)
//!                                                  ▼                             ▼
//!                                     kiss of death: less or never      step once, then slew ─► Correct
//! ```
//!
//! [`Client`] asks in rounds. A round ends with one offset that more than half of the servers that answered agree on, or with
//! none. The first one that is far off is a step; later ones are slewed, and a step then needs two rounds in a row that
//! say the same. The kernel's own loop learns from the slews how fast our oscillator runs. After a step a round follows at
//! once: only what was measured counts as synchronised.
//!
//! [`Server`] answers the LAN (mode 3 with mode 4) and says honestly whether it knows the time.
//!
//! Followed: RFC 8633 (several servers, kisses obeyed, no fixed addresses in what is shipped), RFC 9109 (the shell takes a
//! random port for each question). Left out: authentication (NTS, RFC 8915), symmetric and broadcast modes, control
//! messages (modes 6 and 7), announcing leap seconds: the second is made up for by slewing.

mod api;
mod client;
mod packet;
mod round;
mod select;
mod server;
#[cfg(test)]
mod tests;
mod timestamp;

pub use api::{Action, Note, Settings, Standing};
pub use client::Client;
pub use packet::{MAX_SIZE, SIZE};
pub use server::Server;

use crate::time::Duration;

/// Servers asked in one round. More do not make the time better.
pub const MAX_SERVERS: usize = 8;

/// Addresses taken of one name: what a pool gives for it.
pub const MAX_OF_A_NAME: usize = 4;

/// An offset up to this is slewed (RFC 5905 STEPT), in nanoseconds.
pub const STEP_OVER: i64 = 128_000_000;

/// A server further from a clock that keeps the time by itself than this is no use (RFC 5905 MAXDIST and what others take
/// for it), and what we know is forgotten once it is as vague. In nanoseconds.
pub const MAX_DISTANCE: u64 = 1_500_000_000;

/// How fast the clock may drift from the truth unnoticed (RFC 5905 PHI), in parts per million.
const DRIFT_PPM: u64 = 15;

/// The shortest and longest time between two rounds as powers of two of seconds: 64 and 1024 s (RFC 5905 section 7.2).
const POLL: (u8, u8) = (6, 10);

/// How long an answer is waited for. One that took longer would be too vague.
pub const PATIENCE: Duration = Duration::from_secs(3);
