//! The words that pass between the gateway and its shell.

use crate::config::Config;
use crate::net::{Ipv4Addr, Ipv4Net, MacAddr};
use crate::plan::Change;
use crate::time::{Correction, WallTime};
use crate::{dhcp_client, dhcp_server, dns, wifi};
use alloc::string::String;
use alloc::vec::Vec;

/// What the gateway starts with.
pub struct Start {
    /// The program's version, for people.
    pub version: String,
    /// What to run with.
    pub config: Config,
    /// Where it came from.
    pub source: ConfigSource,
    /// What is wrong with the user's file, one mistake a line; empty if nothing.
    pub problems: String,
    /// The leases' journal as it stands on the disk; empty if there is none.
    pub journal: Vec<u8>,
    /// The uplink's last lease as it stands on the disk; empty if there is none.
    pub uplink_record: Vec<u8>,
    /// The keys of Wi-Fi networks as they stand on the disk; empty if there are none.
    pub wifi_record: Vec<u8>,
    /// The machine's memory in bytes; 0 if unknown.
    pub memory_bytes: u64,
    /// When the image was built.
    pub built: WallTime,
}

/// Where a configuration came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// The user's file.
    File,
    /// There is no file and never was one.
    NoFile,
    /// The last good file; the present one has mistakes or is gone.
    LastGood,
    /// The file has mistakes and there was never a good one.
    Defaults,
}

/// What the gateway wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Read the kernel's state and hand it to `handle_kernel`.
    LookAtKernel,
    /// Take these steps in their order, then hand what failed to `handle_applied`.
    Apply(Vec<Change>),
    /// Open the LAN's sockets on this interface and address, in the place of others, then say so to `handle_serving`.
    /// Comes again for sockets that are open, which then stay.
    ServeLan {
        /// The interface's number.
        index: u32,
        /// Its hardware address.
        mac: MacAddr,
        /// The gateway's address on it.
        lan: Ipv4Net,
        /// Whether to hear DHCP messages from outside `lan` too, and hand them to `handle_left_behind`.
        left_behind: bool,
    },
    /// Listen for DHCP on this uplink device, in the place of another.
    ListenUplink {
        /// The interface's number.
        index: u32,
        /// Its hardware address.
        mac: MacAddr,
    },
    /// The uplink device is gone or needs no DHCP: close its sockets.
    CloseUplink,
    /// Ask the uplink's neighbours who uses this address.
    Probe(Ipv4Addr),
    /// No address is being probed any more.
    StopProbing,
    /// For the DHCP server's sockets and its journal: `Send`, `Append` or `Replace`.
    LanDhcp(dhcp_server::Action),
    /// For the DHCP client's sockets: messages to send.
    UplinkDhcp(dhcp_client::Action),
    /// For the DNS sockets: questions, answers, sockets to close.
    Dns(dns::Action),
    /// Ask this time server from a socket of its own, and hand what comes back within [`crate::ntp::PATIENCE`] to
    /// `handle_ntp_reply`.
    AskTime {
        /// Whom, at port 123.
        server: Ipv4Addr,
        /// The packet.
        payload: [u8; crate::ntp::SIZE],
    },
    /// Have PID 1 correct the clock.
    CorrectClock(Correction),
    /// Keep this record of the uplink's lease.
    RememberUplink(Vec<u8>),
    /// Take this radio over, in the place of another, and report what happens to `handle_wifi`.
    OpenWifi {
        /// The interface's number.
        index: u32,
        /// Its hardware address.
        mac: MacAddr,
    },
    /// Let go of the radio.
    CloseWifi,
    /// For the radio.
    Wifi(wifi::Action),
    /// Compute this key where it delays nobody.
    DerivePmk(wifi::PmkJob),
    /// Keep this record of the Wi-Fi networks' keys. Nobody else may read it.
    RememberWifi(wifi::Secret),
    /// Show this line on the console.
    Say(String),
}
