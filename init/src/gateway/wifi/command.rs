//! The station's actions as nl80211 commands. Pure: an interface, an action, a message.

use super::message::Request;
use super::numbers::{attr, command, key, station, value};
use gatepost_core::net::MacAddr;
use gatepost_core::wifi::{Associate, Authenticate, Connect, InstallKey, KeyUse, Protection, Scan};

/// The interface, and what its driver can do.
#[derive(Clone, Copy, Debug)]
pub struct Interface {
    /// The kernel's number.
    pub index: u32,
    /// EAPOL goes over nl80211.
    pub control_port: bool,
}

impl Interface {
    fn request(self, command: u8) -> Request {
        Request::new(command).u32(attr::IFINDEX, self.index)
    }

    /// What the radio can do, in as many pieces as the kernel likes.
    pub fn get_wiphy(self) -> Request {
        Request::dump(command::GET_WIPHY).u32(attr::IFINDEX, self.index).flag(attr::SPLIT_WIPHY_DUMP)
    }

    /// What the last scans saw.
    pub fn get_scan(self) -> Request {
        Request::dump(command::GET_SCAN).u32(attr::IFINDEX, self.index)
    }

    /// How the link to this access point is.
    pub fn get_station(self, bssid: MacAddr) -> Request {
        self.request(command::GET_STATION).put(attr::MAC, &bssid.0)
    }

    /// The radio stays awake: a gateway that dozes costs everybody behind it a tenth of a second.
    pub fn no_power_save(self) -> Request {
        self.request(command::SET_POWER_SAVE).u32(attr::PS_STATE, value::PS_DISABLED)
    }

    /// SAE's authentication frames of a FullMAC driver shall come to us. The match is SAE's algorithm number: the kernel
    /// gives a station no others.
    pub fn register_auth(self) -> Request {
        self.request(command::REGISTER_FRAME)
            .put(attr::FRAME_TYPE, &value::FRAME_AUTH.to_ne_bytes())
            .put(attr::FRAME_MATCH, &[3, 0])
    }

    /// Answers to SA Query shall come to us: category 8, action 1.
    pub fn register_sa_query(self) -> Request {
        self.request(command::REGISTER_FRAME)
            .put(attr::FRAME_TYPE, &value::FRAME_ACTION.to_ne_bytes())
            .put(attr::FRAME_MATCH, &[8, 1])
    }

    /// Looks for networks.
    pub fn scan(self, scan: &Scan) -> Request {
        let list = |request: Request, kind, items: &[Vec<u8>]| {
            request.nest(kind, |nest| (1..).zip(items).fold(nest, |nest, (at, item)| nest.put(at, item)))
        };
        let mut request = self.request(command::TRIGGER_SCAN);
        // Without names the kernel listens only.
        if !scan.ssids.is_empty() {
            request = list(request, attr::SCAN_SSIDS, &scan.ssids);
        }
        if !scan.frequencies.is_empty() {
            let frequencies: Vec<_> = scan.frequencies.iter().map(|mhz| mhz.to_ne_bytes().to_vec()).collect();
            request = list(request, attr::SCAN_FREQUENCIES, &frequencies);
        }
        if scan.flush { request.u32(attr::SCAN_FLAGS, value::SCAN_FLAG_FLUSH) } else { request }
    }

    /// SAE's frames through the kernel (SoftMAC).
    pub fn authenticate(self, wanted: &Authenticate) -> Request {
        self.request(command::AUTHENTICATE)
            .put(attr::MAC, &wanted.bssid.0)
            .u32(attr::WIPHY_FREQ, wanted.frequency)
            .put(attr::SSID, &wanted.ssid)
            .u32(attr::AUTH_TYPE, value::AUTHTYPE_SAE)
            .put(attr::AUTH_DATA, &wanted.data)
    }

    /// The association after that.
    pub fn associate(self, wanted: &Associate) -> Request {
        let request = self
            .request(command::ASSOCIATE)
            .put(attr::MAC, &wanted.bssid.0)
            .u32(attr::WIPHY_FREQ, wanted.frequency)
            .put(attr::SSID, &wanted.ssid)
            .put(attr::IE, &wanted.elements);
        // As the owner of the connection we also get its EAPOL frames, and it ends with us: nobody else could answer when
        // the keys are renewed.
        self.protect(request.flag(attr::SOCKET_OWNER), &wanted.protection)
    }

    /// A connection by the driver or by cfg80211.
    pub fn connect(self, wanted: &Connect) -> Request {
        let auth_type = if wanted.external_auth { value::AUTHTYPE_SAE } else { value::AUTHTYPE_OPEN_SYSTEM };
        let mut request = self
            .request(command::CONNECT)
            .put(attr::MAC, &wanted.bssid.0)
            .u32(attr::WIPHY_FREQ, wanted.frequency)
            .put(attr::SSID, &wanted.ssid)
            .u32(attr::AUTH_TYPE, auth_type)
            .flag(attr::SOCKET_OWNER);
        if !wanted.elements.is_empty() {
            request = request.put(attr::IE, &wanted.elements);
        }
        if let Some(protection) = &wanted.protection {
            request = self.protect(request.flag(attr::PRIVACY), protection);
        }
        if wanted.external_auth {
            request = request.flag(attr::EXTERNAL_AUTH_SUPPORT);
        }
        request
            .with(wanted.pmk.as_ref(), |request, pmk| request.flag(attr::WANT_1X_4WAY_HS).put(attr::PMK, pmk.expose()))
    }

    fn protect(self, request: Request, protection: &Protection) -> Request {
        let sae = protection.akm & 0xff == SAE_TYPE;
        let request = request
            .u32(attr::WPA_VERSIONS, if sae { value::WPA_VERSION_3 } else { value::WPA_VERSION_2 })
            .u32(attr::CIPHER_SUITES_PAIRWISE, protection.pairwise)
            .u32(attr::CIPHER_SUITE_GROUP, protection.group)
            .u32(attr::AKM_SUITES, protection.akm)
            .u32(attr::USE_MFP, if protection.mfp { value::MFP_REQUIRED } else { value::MFP_NO })
            .flag(attr::CONTROL_PORT);
        if self.control_port { request.flag(attr::CONTROL_PORT_OVER_NL80211) } else { request }
    }

    /// Ends the connection.
    pub fn disconnect(self, reason: u16) -> Request {
        self.request(command::DISCONNECT).put(attr::REASON_CODE, &reason.to_ne_bytes())
    }

    /// Ends an authentication that never became a connection (SoftMAC).
    pub fn deauthenticate(self, bssid: MacAddr, reason: u16) -> Request {
        self.request(command::DEAUTHENTICATE).put(attr::MAC, &bssid.0).put(attr::REASON_CODE, &reason.to_ne_bytes())
    }

    /// An authentication frame on the air (FullMAC).
    pub fn frame(self, frequency: u32, frame: &[u8]) -> Request {
        self.request(command::FRAME).u32(attr::WIPHY_FREQ, frequency).put(attr::FRAME, frame)
    }

    /// An action frame to the access point of the connection, on its channel; the driver protects it.
    pub fn action_frame(self, frame: &[u8]) -> Request {
        self.request(command::FRAME).put(attr::FRAME, frame)
    }

    /// How SAE ended (FullMAC).
    pub fn external_auth(self, bssid: MacAddr, ssid: &[u8], status: u16, pmkid: Option<&[u8; 16]>) -> Request {
        self.request(command::EXTERNAL_AUTH)
            .put(attr::BSSID, &bssid.0)
            .put(attr::SSID, ssid)
            .put(attr::STATUS_CODE, &status.to_ne_bytes())
            .with(pmkid, |request, pmkid| request.put(attr::PMKID, pmkid))
    }

    /// An EAPOL frame over the control port.
    pub fn control_port_frame(self, to: MacAddr, frame: &[u8], clear: bool) -> Request {
        let request = self
            .request(command::CONTROL_PORT_FRAME)
            .put(attr::MAC, &to.0)
            .put(attr::CONTROL_PORT_ETHERTYPE, &value::ETH_P_PAE.to_ne_bytes())
            .flag(attr::DONT_WAIT_FOR_ACK)
            .put(attr::FRAME, frame);
        if clear { request.flag(attr::CONTROL_PORT_NO_ENCRYPT) } else { request }
    }

    /// A key for the kernel.
    pub fn new_key(self, wanted: &InstallKey) -> Request {
        let (peer, kind) = match wanted.usage {
            KeyUse::Pairwise(peer) => (Some(peer), key::TYPE_PAIRWISE),
            KeyUse::Group | KeyUse::Integrity => (None, key::TYPE_GROUP),
        };
        self.request(command::NEW_KEY).with(peer, |request, peer| request.put(attr::MAC, &peer.0)).nest(
            attr::KEY,
            |nest| {
                nest.put(key::DATA, wanted.key.expose())
                    .put(key::IDX, &[wanted.index])
                    .u32(key::CIPHER, wanted.cipher)
                    .put(key::SEQ, &wanted.sequence)
                    .u32(key::TYPE, kind)
            },
        )
    }

    /// Opens the port: data may flow.
    pub fn authorize(self, peer: MacAddr) -> Request {
        // struct nl80211_sta_flag_update: which flags, and their values.
        let authorized = (1u32 << station::FLAG_AUTHORIZED).to_ne_bytes();
        self.request(command::SET_STATION)
            .put(attr::MAC, &peer.0)
            .put(attr::STA_FLAGS2, &[authorized, authorized].concat())
    }
}

/// The country whose channels may be used.
pub fn set_country(country: [u8; 2]) -> Request {
    Request::new(command::REQ_SET_REG).put(attr::REG_ALPHA2, &[country[0], country[1], 0])
}

/// The last byte of the AKM selector 00-0F-AC:8.
const SAE_TYPE: u32 = 8;
