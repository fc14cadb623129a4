//! The numbers of nl80211 that the station uses, as in the kernel's `linux/nl80211.h`, under its names. Complete it is
//! not: what is missing is not used.

/// `enum nl80211_commands`
pub mod command {
    pub const GET_WIPHY: u8 = 1;
    pub const NEW_KEY: u8 = 11;
    pub const GET_STATION: u8 = 17;
    pub const SET_STATION: u8 = 18;
    pub const REQ_SET_REG: u8 = 27;
    pub const GET_SCAN: u8 = 32;
    pub const TRIGGER_SCAN: u8 = 33;
    pub const NEW_SCAN_RESULTS: u8 = 34;
    pub const SCAN_ABORTED: u8 = 35;
    pub const REG_CHANGE: u8 = 36;
    pub const AUTHENTICATE: u8 = 37;
    pub const ASSOCIATE: u8 = 38;
    pub const DEAUTHENTICATE: u8 = 39;
    pub const DISASSOCIATE: u8 = 40;
    pub const CONNECT: u8 = 46;
    pub const ROAM: u8 = 47;
    pub const DISCONNECT: u8 = 48;
    pub const REGISTER_FRAME: u8 = 58;
    pub const FRAME: u8 = 59;
    pub const SET_POWER_SAVE: u8 = 61;
    pub const NOTIFY_CQM: u8 = 64;
    pub const UNPROT_DEAUTHENTICATE: u8 = 70;
    pub const UNPROT_DISASSOCIATE: u8 = 71;
    pub const CH_SWITCH_NOTIFY: u8 = 88;
    pub const WIPHY_REG_CHANGE: u8 = 113;
    pub const PORT_AUTHORIZED: u8 = 125;
    pub const EXTERNAL_AUTH: u8 = 127;
    pub const CONTROL_PORT_FRAME: u8 = 129;
}

/// `enum nl80211_attrs`
pub mod attr {
    pub const IFINDEX: u16 = 3;
    pub const MAC: u16 = 6;
    pub const STA_INFO: u16 = 21;
    pub const WIPHY_BANDS: u16 = 22;
    pub const REG_ALPHA2: u16 = 33;
    pub const WIPHY_FREQ: u16 = 38;
    pub const IE: u16 = 42;
    pub const MAX_NUM_SCAN_SSIDS: u16 = 43;
    pub const SCAN_FREQUENCIES: u16 = 44;
    pub const SCAN_SSIDS: u16 = 45;
    pub const BSS: u16 = 47;
    pub const SUPPORTED_COMMANDS: u16 = 50;
    pub const FRAME: u16 = 51;
    pub const SSID: u16 = 52;
    pub const AUTH_TYPE: u16 = 53;
    pub const REASON_CODE: u16 = 54;
    pub const CIPHER_SUITES: u16 = 57;
    pub const TIMED_OUT: u16 = 65;
    pub const USE_MFP: u16 = 66;
    pub const STA_FLAGS2: u16 = 67;
    pub const CONTROL_PORT: u16 = 68;
    pub const PRIVACY: u16 = 70;
    pub const DISCONNECTED_BY_AP: u16 = 71;
    pub const STATUS_CODE: u16 = 72;
    pub const CIPHER_SUITES_PAIRWISE: u16 = 73;
    pub const CIPHER_SUITE_GROUP: u16 = 74;
    pub const WPA_VERSIONS: u16 = 75;
    pub const AKM_SUITES: u16 = 76;
    pub const RESP_IE: u16 = 78;
    pub const KEY: u16 = 80;
    pub const PMKID: u16 = 85;
    pub const FRAME_MATCH: u16 = 91;
    pub const PS_STATE: u16 = 93;
    pub const CQM: u16 = 94;
    pub const FRAME_TYPE: u16 = 101;
    pub const CONTROL_PORT_ETHERTYPE: u16 = 102;
    pub const CONTROL_PORT_NO_ENCRYPT: u16 = 103;
    pub const DONT_WAIT_FOR_ACK: u16 = 142;
    pub const FEATURE_FLAGS: u16 = 143;
    pub const AUTH_DATA: u16 = 156;
    pub const SCAN_FLAGS: u16 = 158;
    pub const SPLIT_WIPHY_DUMP: u16 = 174;
    pub const SOCKET_OWNER: u16 = 204;
    pub const EXT_FEATURES: u16 = 217;
    pub const BSSID: u16 = 245;
    pub const PMK: u16 = 254;
    pub const WANT_1X_4WAY_HS: u16 = 257;
    pub const PORT_AUTHORIZED: u16 = 259;
    pub const EXTERNAL_AUTH_ACTION: u16 = 260;
    pub const EXTERNAL_AUTH_SUPPORT: u16 = 261;
    pub const CONTROL_PORT_OVER_NL80211: u16 = 264;
}

/// `enum nl80211_bss`
pub mod bss {
    pub const BSSID: u16 = 1;
    pub const FREQUENCY: u16 = 2;
    pub const CAPABILITY: u16 = 5;
    pub const INFORMATION_ELEMENTS: u16 = 6;
    pub const SIGNAL_MBM: u16 = 7;
    pub const SIGNAL_UNSPEC: u16 = 8;
    pub const SEEN_MS_AGO: u16 = 10;
    pub const BEACON_IES: u16 = 11;
}

/// `enum nl80211_key_attributes` and `nl80211_key_type`
pub mod key {
    pub const DATA: u16 = 1;
    pub const IDX: u16 = 2;
    pub const CIPHER: u16 = 3;
    pub const SEQ: u16 = 4;
    pub const TYPE: u16 = 7;
    pub const TYPE_GROUP: u32 = 0;
    pub const TYPE_PAIRWISE: u32 = 1;
}

/// `enum nl80211_band_attr` and `nl80211_frequency_attr`
pub mod band {
    pub const FREQS: u16 = 1;
    pub const FREQ: u16 = 1;
    pub const DISABLED: u16 = 2;
    pub const NO_IR: u16 = 3;
    pub const RADAR: u16 = 5;
}

/// `enum nl80211_sta_info` and `nl80211_rate_info`
pub mod station {
    pub const SIGNAL: u16 = 7;
    pub const TX_BITRATE: u16 = 8;
    pub const BITRATE: u16 = 1;
    pub const BITRATE32: u16 = 5;
    /// Bit number of `NL80211_STA_FLAG_AUTHORIZED`.
    pub const FLAG_AUTHORIZED: u32 = 1;
}

/// `enum nl80211_attr_cqm`
pub mod cqm {
    pub const PKT_LOSS_EVENT: u16 = 4;
    pub const BEACON_LOSS_EVENT: u16 = 8;
}

/// Values of attributes.
pub mod value {
    pub const AUTHTYPE_OPEN_SYSTEM: u32 = 0;
    pub const AUTHTYPE_SAE: u32 = 4;
    pub const MFP_NO: u32 = 0;
    pub const MFP_REQUIRED: u32 = 1;
    pub const WPA_VERSION_2: u32 = 1 << 1;
    pub const WPA_VERSION_3: u32 = 1 << 2;
    pub const PS_DISABLED: u32 = 0;
    pub const SCAN_FLAG_FLUSH: u32 = 1 << 1;
    pub const FEATURE_SAE: u32 = 1 << 5;
    pub const EXTERNAL_AUTH_START: u32 = 0;
    /// Bit numbers of `enum nl80211_ext_feature_index`.
    pub const EXT_4WAY_HANDSHAKE_STA_PSK: usize = 15;
    pub const EXT_CONTROL_PORT_OVER_NL80211: usize = 26;
    /// Ether type of EAPOL.
    pub const ETH_P_PAE: u16 = 0x888e;
    /// Frame control of an authentication frame: management, subtype 11.
    pub const FRAME_AUTH: u16 = 0x00b0;
    /// The same of an action frame: subtype 13.
    pub const FRAME_ACTION: u16 = 0x00d0;
}
