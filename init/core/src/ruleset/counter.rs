//! The named counters: how often each kind of refusal, and each opening of the configuration, was met.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;

/// A named counter of packets and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Packets whose source or destination can't be true on the interface they came in by.
    Spoofed,
    /// Packets that conntrack can't make sense of.
    Invalid,
    /// New connections of a LAN host that has too many.
    HostLimit,
    /// TCP connections to the gateway that are begun too fast.
    SynFlood,
    /// Packets from the uplink to the gateway itself that nobody asked for.
    UplinkRefused,
    /// Packets from the LAN to a port of the gateway that is closed.
    LanRefused,
    /// Packets from the LAN for private networks that the uplink has no route of its own to.
    PrivateRefused,
    /// Packets for the internet from hosts that may not.
    Blocked,
    /// Packets that were to be forwarded and may not.
    ForwardRefused,
    /// Packets that would have left by the uplink with an untranslated LAN address. Expected to stay 0.
    Leaks,
    /// Connections let in by the n-th `[[firewall.allow]]`, counted from 1.
    Allow(u16),
    /// Connections passed on by the n-th `[[forward]]`, counted from 1.
    Forward(u16),
}

impl Counter {
    /// Those that every ruleset has, in the order in which they are created.
    pub const ALWAYS: [Counter; 10] = [
        Counter::Spoofed,
        Counter::Invalid,
        Counter::HostLimit,
        Counter::SynFlood,
        Counter::UplinkRefused,
        Counter::LanRefused,
        Counter::PrivateRefused,
        Counter::Blocked,
        Counter::ForwardRefused,
        Counter::Leaks,
    ];

    /// Its name in the kernel.
    pub fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Counter::Spoofed => "spoofed",
            Counter::Invalid => "invalid",
            Counter::HostLimit => "host_limit",
            Counter::SynFlood => "syn_flood",
            Counter::UplinkRefused => "uplink_refused",
            Counter::LanRefused => "lan_refused",
            Counter::PrivateRefused => "private_refused",
            Counter::Blocked => "blocked",
            Counter::ForwardRefused => "forward_refused",
            Counter::Leaks => "leaks",
            Counter::Allow(number) => return Cow::Owned(format!("allow_{number}")),
            Counter::Forward(number) => return Cow::Owned(format!("forward_{number}")),
        })
    }

    /// What it counts, for a person.
    pub fn meaning(self) -> String {
        String::from(match self {
            Counter::Spoofed => "dropped: an address that can't be true there",
            Counter::Invalid => "dropped: belongs to no connection",
            Counter::HostLimit => "dropped: a LAN host has too many connections",
            Counter::SynFlood => "dropped: connections to the gateway begun too fast",
            Counter::UplinkRefused => "dropped: from the uplink, not asked for",
            Counter::LanRefused => "refused: from the LAN to a closed port of the gateway",
            Counter::PrivateRefused => "refused: to a private network that is not on the uplink",
            Counter::Blocked => "refused: from a host without internet",
            Counter::ForwardRefused => "dropped: may not pass from one side to the other",
            Counter::Leaks => "dropped: would have left with a LAN address (should stay 0)",
            Counter::Allow(number) => return format!("connections let in by [[firewall.allow]] {number}"),
            Counter::Forward(number) => return format!("connections passed on by [[forward]] {number}"),
        })
    }
}
