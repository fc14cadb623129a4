//! What the station is told: facts about the radio, what a scan saw, how a connection went.
//!
//! The shell copies these out of nl80211's messages without judging them; the names of attributes and flags are
//! nl80211's own, so that both sides can be held against the kernel's `nl80211.h`.

use crate::net::MacAddr;
use alloc::vec::Vec;

/// A cipher suite or AKM selector as nl80211 has it: the OUI in the upper three bytes, the type in the lowest, such as
/// 0x000fac04 for CCMP.
pub type Suite = u32;

/// What the radio and its driver can do (`NL80211_CMD_NEW_WIPHY`), and where its interface lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Radio {
    /// The interface's hardware address.
    pub mac: MacAddr,
    /// `NL80211_CMD_AUTHENTICATE` and `ASSOCIATE` are among the supported commands: the driver leaves authentication to
    /// userspace (SoftMAC). Without it the firmware does it behind `CONNECT` (FullMAC).
    pub authenticate: bool,
    /// `NL80211_FEATURE_SAE`: SAE by userspace, through AUTHENTICATE or, on FullMAC, through EXTERNAL_AUTH.
    pub sae: bool,
    /// `NL80211_EXT_FEATURE_4WAY_HANDSHAKE_STA_PSK`: the firmware can do the 4-way handshake.
    pub handshake_offload: bool,
    /// `NL80211_EXT_FEATURE_CONTROL_PORT_OVER_NL80211`: EAPOL goes over nl80211. Only the shell acts on it.
    pub control_port: bool,
    /// Cipher suites (`NL80211_ATTR_CIPHER_SUITES`). Management frame protection needs BIP-CMAC-128 among them.
    pub ciphers: Vec<Suite>,
    /// How many names one scan may ask for (`NL80211_ATTR_MAX_NUM_SCAN_SSIDS`).
    pub max_scan_ssids: u8,
    /// The channels of every band, in their present regulatory state.
    pub channels: Vec<Channel>,
}

/// One channel (`NL80211_BAND_ATTR_FREQS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Centre frequency, MHz.
    pub frequency: u32,
    /// `NL80211_FREQUENCY_ATTR_DISABLED`: not to be used in this country.
    pub disabled: bool,
    /// `NL80211_FREQUENCY_ATTR_NO_IR` or `RADAR`: nothing may be sent before a beacon was heard: passive scan only.
    pub passive: bool,
}

/// One access point as a scan saw it (`NL80211_ATTR_BSS`).
#[derive(Clone, PartialEq, Eq)]
pub struct Bss {
    /// `NL80211_BSS_BSSID`
    pub bssid: MacAddr,
    /// `NL80211_BSS_FREQUENCY`, MHz.
    pub frequency: u32,
    /// `NL80211_BSS_SIGNAL_MBM` in dBm (a hundredth of it). Drivers that only know a share of 100 give share / 2 - 100.
    pub signal: i8,
    /// `NL80211_BSS_CAPABILITY`: bit 4 is "privacy".
    pub capability: u16,
    /// `NL80211_BSS_SEEN_MS_AGO`, milliseconds.
    pub age: u32,
    /// `NL80211_BSS_INFORMATION_ELEMENTS`, else `NL80211_BSS_BEACON_IES`. Any bytes.
    pub elements: Vec<u8>,
}

impl core::fmt::Debug for Bss {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Bss({} {} MHz {} dBm)", self.bssid, self.frequency, self.signal)
    }
}

/// The outcome of a connection attempt: `NL80211_CMD_CONNECT` as an event, or `ASSOCIATE` after
/// [`Action::Associate`](super::Action::Associate).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// The access point; `None` where the event names none.
    pub bssid: Option<MacAddr>,
    /// IEEE 802.11 status code (section 9.4.1.9): 0 is success. `None` if the access point never answered
    /// (`NL80211_ATTR_TIMED_OUT`).
    pub status: Option<u16>,
    /// Elements of the (re)association response (`NL80211_ATTR_RESP_IE`, or those of the frame).
    pub response: Vec<u8>,
    /// `NL80211_ATTR_PORT_AUTHORIZED`: the firmware has done the handshake and the port is open.
    pub authorized: bool,
}

/// The firmware has moved to another access point of the same network (`NL80211_CMD_ROAM`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roamed {
    /// The new access point.
    pub bssid: MacAddr,
    /// `NL80211_ATTR_RESP_IE`
    pub response: Vec<u8>,
    /// `NL80211_ATTR_PORT_AUTHORIZED`
    pub authorized: bool,
}

/// The firmware wants SAE done by us, or has given it up (`NL80211_CMD_EXTERNAL_AUTH` as an event).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalAuth {
    /// `NL80211_ATTR_EXTERNAL_AUTH_ACTION`: true for start, false for abort.
    pub start: bool,
    /// The access point.
    pub bssid: MacAddr,
    /// The network's name.
    pub ssid: Vec<u8>,
    /// The AKM suite it wants to use.
    pub akm: Suite,
}

/// A link that ended: `NL80211_CMD_DISCONNECT`, or `DEAUTHENTICATE` / `DISASSOCIATE` where no DISCONNECT follows.
/// Frames that failed protection (`UNPROT_*`) are none: [`Station::handle_unprotected`](super::Station::handle_unprotected).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnected {
    /// The access point, where the event names one.
    pub bssid: Option<MacAddr>,
    /// IEEE 802.11 reason code (section 9.4.1.7), 0 if there is none.
    pub reason: u16,
    /// `NL80211_ATTR_DISCONNECTED_BY_AP`
    pub by_ap: bool,
}

/// The link's quality (`NL80211_CMD_GET_STATION`), whenever the shell looks: about every five seconds while connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quality {
    /// Signal, dBm.
    pub signal: i8,
    /// Transmit rate in units of 100 kbit/s; 0 if unknown.
    pub rate: u32,
}

/// Which action the kernel refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// [`Action::Scan`](super::Action::Scan), or the scan was aborted.
    Scan,
    /// [`Action::Authenticate`](super::Action::Authenticate)
    Authenticate,
    /// [`Action::Associate`](super::Action::Associate)
    Associate,
    /// [`Action::Connect`](super::Action::Connect)
    Connect,
    /// [`Action::SendAuthFrame`](super::Action::SendAuthFrame) or
    /// [`Action::ExternalAuthResult`](super::Action::ExternalAuthResult)
    Auth,
    /// [`Action::SendEapol`](super::Action::SendEapol)
    Eapol,
    /// [`Action::SendActionFrame`](super::Action::SendActionFrame)
    Query,
    /// [`Action::InstallKey`](super::Action::InstallKey)
    Key,
    /// [`Action::AuthorizePort`](super::Action::AuthorizePort)
    Port,
}
