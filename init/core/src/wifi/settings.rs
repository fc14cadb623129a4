//! What the station may join, taken from the configuration.

use super::secret::Secret;
use crate::config::{self, WifiSecurity};
use alloc::string::String;
use alloc::vec::Vec;

/// The known networks and how to behave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// ISO 3166-1 alpha-2 country of the regulatory domain.
    pub country: Option<[u8; 2]>,
    /// Let the firmware do the key handshake where it offers to.
    pub offload: bool,
    /// The networks.
    pub networks: Vec<Network>,
}

/// One known network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name, 1 to 32 bytes.
    pub ssid: String,
    /// Its passphrase; `None` if it is open.
    pub passphrase: Option<Secret>,
    /// Higher is preferred.
    pub priority: u8,
    /// It has to be asked for by name.
    pub hidden: bool,
    /// What its access points must offer.
    pub security: WifiSecurity,
}

impl Settings {
    /// What the configuration says about the uplink.
    pub fn new(uplink: &config::Uplink) -> Self {
        let network = |network: &config::WifiNetwork| Network {
            ssid: network.ssid.clone(),
            passphrase: network.passphrase.as_ref().map(Secret::from),
            priority: network.priority,
            hidden: network.hidden,
            security: network.security,
        };
        Self {
            country: uplink.country,
            offload: uplink.wifi_offload,
            networks: uplink.wifi.iter().map(network).collect(),
        }
    }
}
