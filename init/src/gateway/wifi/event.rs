//! nl80211's events and answers in the station's words. Pure: attributes in, words out. What is missing or too short
//! makes the event go by unseen; nothing that comes in here can fail.

use super::attribute::{all, as_u32, as_u32s, get, get_mac, get_u8, get_u16, get_u32, has};
use super::conversation::Reply;
use super::numbers::{attr, band, bss, command, cqm, station, value};
use gatepost_core::net::MacAddr;
use gatepost_core::wifi::{
    Bss, Channel, Connected, Disconnected, ExternalAuth, MAX_BSS, Quality, Radio, Roamed, Suite,
};

/// An event that concerns us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A scan is over.
    Scanned,
    /// A scan was cut short.
    ScanAborted,
    /// Other channels may be allowed now.
    Regulatory,
    /// A connection attempt ended.
    Connected(Connected),
    /// The access point did not answer an association.
    AssociateTimeout,
    /// An authentication frame.
    AuthFrame(Vec<u8>),
    /// The access point did not answer an authentication.
    AuthTimeout(MacAddr),
    /// The firmware wants SAE from us.
    ExternalAuth(ExternalAuth),
    /// An EAPOL frame over the control port.
    Eapol { source: MacAddr, frame: Vec<u8>, protected: bool },
    /// The firmware's handshake is done.
    PortAuthorized,
    /// The connection ended.
    Disconnected(Disconnected),
    /// A deauthentication or disassociation frame, header and all; the end of a connection is told besides.
    Farewell(Vec<u8>),
    /// The same in clear although management frames are protected.
    Unprotected(Vec<u8>),
    /// An action frame, header and all.
    ActionFrame(Vec<u8>),
    /// The firmware moved to another access point.
    Roamed(Roamed),
    /// Nothing is heard from the access point.
    BeaconLoss,
    /// The access point has moved to this channel, MHz.
    Channel(u32),
}

/// Reads an event for this interface; `None` for others and for those that are of no use.
pub fn read(index: u32, command: u8, attributes: &[u8]) -> Option<Event> {
    if get_u32(attributes, attr::IFINDEX).is_some_and(|other| other != index) {
        return None;
    }
    let timed_out = has(attributes, attr::TIMED_OUT);
    let frame = || get(attributes, attr::FRAME).map(<[u8]>::to_vec);
    Some(match command {
        command::NEW_SCAN_RESULTS => Event::Scanned,
        command::SCAN_ABORTED => Event::ScanAborted,
        command::REG_CHANGE | command::WIPHY_REG_CHANGE => Event::Regulatory,
        command::CONNECT => Event::Connected(connected(attributes, timed_out)),
        command::ASSOCIATE if timed_out => Event::AssociateTimeout,
        command::AUTHENTICATE if timed_out => Event::AuthTimeout(get_mac(attributes, attr::MAC)?),
        command::AUTHENTICATE => Event::AuthFrame(frame()?),
        command::FRAME => {
            let frame = frame()?;
            match u16::from(*frame.first()?) {
                value::FRAME_AUTH => Event::AuthFrame(frame),
                value::FRAME_ACTION => Event::ActionFrame(frame),
                _ => return None,
            }
        }
        command::EXTERNAL_AUTH => Event::ExternalAuth(external_auth(attributes)?),
        command::CONTROL_PORT_FRAME => Event::Eapol {
            source: get_mac(attributes, attr::MAC)?,
            frame: frame()?,
            protected: !has(attributes, attr::CONTROL_PORT_NO_ENCRYPT),
        },
        command::PORT_AUTHORIZED => Event::PortAuthorized,
        command::DISCONNECT => Event::Disconnected(Disconnected {
            bssid: get_mac(attributes, attr::MAC),
            reason: get_u16(attributes, attr::REASON_CODE).unwrap_or(0),
            by_ap: has(attributes, attr::DISCONNECTED_BY_AP),
        }),
        command::DEAUTHENTICATE | command::DISASSOCIATE => Event::Farewell(frame()?),
        command::UNPROT_DEAUTHENTICATE | command::UNPROT_DISASSOCIATE => Event::Unprotected(frame()?),
        command::ROAM => Event::Roamed(Roamed {
            bssid: get_mac(attributes, attr::MAC)?,
            response: get(attributes, attr::RESP_IE).unwrap_or_default().to_vec(),
            authorized: has(attributes, attr::PORT_AUTHORIZED),
        }),
        command::NOTIFY_CQM => {
            let cqm = get(attributes, attr::CQM)?;
            let lost = has(cqm, cqm::BEACON_LOSS_EVENT) || has(cqm, cqm::PKT_LOSS_EVENT);
            lost.then_some(Event::BeaconLoss)?
        }
        command::CH_SWITCH_NOTIFY => Event::Channel(get_u32(attributes, attr::WIPHY_FREQ)?),
        _ => return None,
    })
}

fn connected(attributes: &[u8], timed_out: bool) -> Connected {
    Connected {
        bssid: get_mac(attributes, attr::MAC),
        status: get_u16(attributes, attr::STATUS_CODE).filter(|_| !timed_out),
        response: get(attributes, attr::RESP_IE).unwrap_or_default().to_vec(),
        authorized: false,
    }
}

fn external_auth(attributes: &[u8]) -> Option<ExternalAuth> {
    let akm = get_u32(attributes, attr::AKM_SUITES)?;
    Some(ExternalAuth {
        start: get_u32(attributes, attr::EXTERNAL_AUTH_ACTION)? == value::EXTERNAL_AUTH_START,
        bssid: get_mac(attributes, attr::BSSID)?,
        ssid: get(attributes, attr::SSID)?.to_vec(),
        // Some drivers give it in network byte order: 00-0F-AC:8 the wrong way round ends in 000f.
        akm: if akm & 0x00ff_ffff == 0x00ac_0f00 { akm.swap_bytes() } else { akm },
    })
}

/// A goodbye: who says it, and its reason code (IEEE 802.11-2020 section 9.3.3.12). `None` if it is ours.
pub fn farewell(frame: &[u8], own: MacAddr) -> Option<Disconnected> {
    let address = |at: usize| frame.get(at..)?.first_chunk().copied().map(MacAddr);
    let sender = address(10).filter(|sender| *sender != own)?;
    let reason = frame.get(24..)?.first_chunk().copied().map_or(0, u16::from_le_bytes);
    Some(Disconnected { bssid: Some(sender), reason, by_ap: true })
}

/// The radio's abilities, put together from the pieces of the list.
pub fn radio(mac: MacAddr, pieces: &[Reply]) -> Radio {
    let attributes = |wanted| pieces.iter().filter_map(move |(_, piece)| get(piece, wanted));
    let commands: Vec<u32> =
        attributes(attr::SUPPORTED_COMMANDS).flat_map(all).filter_map(|(_, v)| as_u32(v)).collect();
    let can = |command: u8| commands.contains(&command.into());
    let features = attributes(attr::FEATURE_FLAGS).find_map(as_u32).unwrap_or(0);
    let extended = |bit: usize| {
        attributes(attr::EXT_FEATURES).any(|map| map.get(bit / 8).is_some_and(|byte| byte & (1 << (bit % 8)) != 0))
    };
    let bands = attributes(attr::WIPHY_BANDS).flat_map(all).filter_map(|(_, one)| get(one, band::FREQS));
    let ciphers: Vec<Suite> = attributes(attr::CIPHER_SUITES).flat_map(as_u32s).collect();
    Radio {
        mac,
        authenticate: can(command::AUTHENTICATE) && can(command::ASSOCIATE),
        sae: features & value::FEATURE_SAE != 0,
        handshake_offload: extended(value::EXT_4WAY_HANDSHAKE_STA_PSK),
        control_port: extended(value::EXT_CONTROL_PORT_OVER_NL80211),
        ciphers,
        max_scan_ssids: pieces.iter().find_map(|(_, piece)| get_u8(piece, attr::MAX_NUM_SCAN_SSIDS)).unwrap_or(1),
        channels: bands.flat_map(all).filter_map(|(_, one)| channel(one)).collect(),
    }
}

fn channel(one: &[u8]) -> Option<Channel> {
    Some(Channel {
        frequency: get_u32(one, band::FREQ)?,
        disabled: has(one, band::DISABLED),
        passive: has(one, band::NO_IR) || has(one, band::RADAR),
    })
}

/// What a scan saw, the strongest first, at most [`MAX_BSS`].
pub fn scan_results(replies: &[Reply]) -> Vec<Bss> {
    let one = |(_, reply): &Reply| access_point(get(reply, attr::BSS)?);
    let mut results: Vec<Bss> = replies.iter().filter_map(one).collect();
    results.sort_by_key(|bss| std::cmp::Reverse(bss.signal));
    results.truncate(MAX_BSS);
    results
}

fn access_point(one: &[u8]) -> Option<Bss> {
    let mbm = || get_u32(one, bss::SIGNAL_MBM).map(|mbm| mbm.cast_signed() / 100);
    let share = || get_u8(one, bss::SIGNAL_UNSPEC).map(|share| i32::from(share.min(100)) / 2 - 100);
    let signal = mbm().or_else(share).unwrap_or(-100).clamp(i8::MIN.into(), i8::MAX.into());
    Some(Bss {
        bssid: get_mac(one, bss::BSSID)?,
        frequency: get_u32(one, bss::FREQUENCY)?,
        signal: i8::try_from(signal).unwrap_or(i8::MIN),
        capability: get_u16(one, bss::CAPABILITY).unwrap_or(0),
        age: get_u32(one, bss::SEEN_MS_AGO).unwrap_or(0),
        elements: get(one, bss::INFORMATION_ELEMENTS).or_else(|| get(one, bss::BEACON_IES))?.to_vec(),
    })
}

/// The link's quality, from the answer to `GET_STATION`.
pub fn quality(replies: &[Reply]) -> Option<Quality> {
    let (_, reply) = replies.first()?;
    let info = get(reply, attr::STA_INFO)?;
    let rate = get(info, station::TX_BITRATE);
    let wide = rate.and_then(|rate| get_u32(rate, station::BITRATE32));
    let narrow = rate.and_then(|rate| get_u16(rate, station::BITRATE)).map(u32::from);
    Some(Quality { signal: get_u8(info, station::SIGNAL)?.cast_signed(), rate: wide.or(narrow).unwrap_or(0) })
}
