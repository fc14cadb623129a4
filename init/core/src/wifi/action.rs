//! What the station asks for. The shell turns each action into one nl80211 command (or one EAPOL frame) and reports a
//! refusal through [`Station::handle_failed`](super::Station::handle_failed); success is told by the kernel's events.

use super::input::Suite;
use super::secret::Secret;
use crate::net::MacAddr;
use alloc::string::String;
use alloc::vec::Vec;

/// What the shell shall do. In the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `NL80211_CMD_REQ_SET_REG` with `NL80211_ATTR_REG_ALPHA2`. When the channels change after it, call
    /// [`Station::handle_radio`](super::Station::handle_radio) again.
    SetRegulatory([u8; 2]),
    /// `NL80211_CMD_TRIGGER_SCAN`. Dump the results when `NEW_SCAN_RESULTS` comes and call
    /// [`Station::handle_scan_done`](super::Station::handle_scan_done).
    Scan(Scan),
    /// `NL80211_CMD_AUTHENTICATE` (SoftMAC, SAE only). The answer comes as an event with a frame:
    /// [`Station::handle_auth_frame`](super::Station::handle_auth_frame).
    Authenticate(Authenticate),
    /// `NL80211_CMD_ASSOCIATE` (SoftMAC, after SAE). The answer comes through
    /// [`Station::handle_connected`](super::Station::handle_connected).
    Associate(Associate),
    /// `NL80211_CMD_CONNECT`. The answer comes through [`Station::handle_connected`](super::Station::handle_connected).
    Connect(Connect),
    /// `NL80211_CMD_FRAME` on the connection's channel: an SAE authentication frame on FullMAC. It holds the whole
    /// 802.11 frame, header included. Register for authentication frames (`REGISTER_FRAME`, type 0x00b0) beforehand.
    SendAuthFrame {
        /// Channel, MHz.
        frequency: u32,
        /// The frame.
        frame: Vec<u8>,
    },
    /// `NL80211_CMD_FRAME` on the connection's channel: an SA Query request, the whole 802.11 frame in clear; the driver
    /// protects it with the link's key. Register for the responses (`REGISTER_FRAME`, type 0x00d0, match 08 01) beforehand.
    SendActionFrame(Vec<u8>),
    /// `NL80211_CMD_EXTERNAL_AUTH`: how SAE on FullMAC ended.
    ExternalAuthResult {
        /// The access point.
        bssid: MacAddr,
        /// The network's name.
        ssid: Vec<u8>,
        /// IEEE 802.11 status code; 0 is success.
        status: u16,
        /// Identifies the PMK; only with success.
        pmkid: Option<[u8; 16]>,
    },
    /// Send an EAPOL frame (ether type 0x888e; `frame` begins with the EAPOL version) to the access point, over the
    /// control port where the driver has one, else from a packet socket.
    SendEapol {
        /// The access point.
        to: MacAddr,
        /// The EAPOL frame.
        frame: Vec<u8>,
        /// Whether it must leave in clear (`NL80211_ATTR_CONTROL_PORT_NO_ENCRYPT`): there is no key yet.
        clear: bool,
    },
    /// `NL80211_CMD_NEW_KEY`. A pairwise key goes to the access point's address; a group key is set for receiving and
    /// needs no `SET_KEY` as default.
    InstallKey(InstallKey),
    /// `NL80211_CMD_SET_STATION` for the access point with the AUTHORIZED flag set: data may flow.
    AuthorizePort(MacAddr),
    /// `NL80211_CMD_DISCONNECT` with this IEEE 802.11 reason code. The kernel forgets the keys.
    Disconnect {
        /// Reason code, section 9.4.1.7.
        reason: u16,
    },
    /// Run [`PmkJob::run`](super::PmkJob::run) where it delays nobody (a Pi needs up to a second) and bring the result
    /// to [`Station::handle_pmk`](super::Station::handle_pmk).
    DerivePmk(super::PmkJob),
    /// Keep this record on the config partition, mode 0600, in place of any earlier one, and give it to
    /// [`Station::new`](super::Station::new) after a restart. Comes only when a network's key is new.
    Store(Secret),
    /// The link carries data from now on. Also comes after a roam, without a [`Action::LinkDown`] before it.
    LinkUp {
        /// The network's name, printable.
        ssid: String,
        /// The access point.
        bssid: MacAddr,
    },
    /// The link carries no data any longer, and none will come back at once.
    LinkDown,
    /// A line for the log. It never holds a secret, and names of strangers are escaped.
    Note(String),
}

/// A scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Names to ask for (`NL80211_ATTR_SCAN_SSIDS`); the empty name asks everybody. An empty list is a passive scan.
    pub ssids: Vec<Vec<u8>>,
    /// Frequencies, MHz (`NL80211_ATTR_SCAN_FREQUENCIES`); empty for all. The kernel itself stays passive where the
    /// regulatory domain wants it.
    pub frequencies: Vec<u32>,
    /// Forget what earlier scans saw (`NL80211_SCAN_FLAG_FLUSH`).
    pub flush: bool,
}

/// SAE's commit or confirm on SoftMAC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticate {
    /// The access point.
    pub bssid: MacAddr,
    /// Its channel, MHz.
    pub frequency: u32,
    /// The network's name.
    pub ssid: Vec<u8>,
    /// `NL80211_ATTR_AUTH_DATA` with `NL80211_AUTHTYPE_SAE`: the frame's body from the transaction sequence number on.
    pub data: Vec<u8>,
}

/// How frames are protected: what the RSN element of the association says, for the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    /// `NL80211_ATTR_AKM_SUITES`
    pub akm: Suite,
    /// `NL80211_ATTR_CIPHER_SUITES_PAIRWISE`
    pub pairwise: Suite,
    /// `NL80211_ATTR_CIPHER_SUITE_GROUP`
    pub group: Suite,
    /// `NL80211_ATTR_USE_MFP`: `NL80211_MFP_REQUIRED`, else `NL80211_MFP_NO`.
    pub mfp: bool,
}

/// An association after SAE on SoftMAC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Associate {
    /// The access point.
    pub bssid: MacAddr,
    /// Its channel, MHz.
    pub frequency: u32,
    /// The network's name.
    pub ssid: Vec<u8>,
    /// `NL80211_ATTR_IE`: the RSN element, and what goes with it.
    pub elements: Vec<u8>,
    /// With the control port (`NL80211_ATTR_CONTROL_PORT`).
    pub protection: Protection,
}

/// A connection by the driver's or cfg80211's own station management.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// The access point (`NL80211_ATTR_MAC`).
    pub bssid: MacAddr,
    /// Its channel, MHz.
    pub frequency: u32,
    /// The network's name.
    pub ssid: Vec<u8>,
    /// `NL80211_ATTR_IE`; empty for an open network.
    pub elements: Vec<u8>,
    /// `None` for an open network. Else with `NL80211_ATTR_PRIVACY` and `NL80211_ATTR_CONTROL_PORT`.
    pub protection: Option<Protection>,
    /// SAE on FullMAC: `NL80211_ATTR_EXTERNAL_AUTH_SUPPORT` and auth type SAE; else open system.
    pub external_auth: bool,
    /// The firmware does the handshake: `NL80211_ATTR_WANT_1X_4WAY_HS` and `NL80211_ATTR_PMK`.
    pub pmk: Option<Secret>,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// `NL80211_KEYTYPE_PAIRWISE`, index 0, for this access point.
    Pairwise(MacAddr),
    /// `NL80211_KEYTYPE_GROUP`: for receiving broadcasts; index 1 or 2.
    Group,
    /// `NL80211_KEYTYPE_GROUP` with a BIP cipher: for checking broadcast management frames; index 4 or 5.
    Integrity,
}

/// A key for the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallKey {
    /// What it is for.
    pub usage: KeyUse,
    /// Key index.
    pub index: u8,
    /// Cipher suite.
    pub cipher: Suite,
    /// The key, 16 bytes.
    pub key: Secret,
    /// Receive sequence counter, little-endian as `NL80211_KEY_SEQ` wants it. Zeroes for a pairwise key.
    pub sequence: [u8; 6],
}
