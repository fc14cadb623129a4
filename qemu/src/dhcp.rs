//! A DHCP client made of bytes (RFC 2131, RFC 2132), for measurements and lease storms.
//!
//! It shares no code with the gateway on purpose: what both sides of a test have in common, the test cannot see. Left out:
//! everything that a test does not send; answers are read just far enough to tell what they are.

use std::net::Ipv4Addr;

/// A hardware address.
pub type Mac = [u8; 6];

/// The magic cookie in front of the options (RFC 2131 §3).
const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// Where the options start in a DHCP message.
const OPTIONS: usize = 240;

/// Ethernet, IPv4 and UDP headers.
const HEADERS: usize = 14 + 20 + 8;

/// Message types (RFC 2132 §9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the RFC's own names")]
pub enum Kind {
    Discover = 1,
    Offer = 2,
    Request = 3,
    Decline = 4,
    Ack = 5,
    Nak = 6,
    Release = 7,
    Inform = 8,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        const ALL: [Kind; 8] = [
            Kind::Discover,
            Kind::Offer,
            Kind::Request,
            Kind::Decline,
            Kind::Ack,
            Kind::Nak,
            Kind::Release,
            Kind::Inform,
        ];
        ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// What a client asks, as one broadcast Ethernet frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Which message.
    pub kind: Kind,
    /// The client's hardware address.
    pub mac: Mac,
    /// Transaction id.
    pub xid: u32,
    /// Option 50, the requested address.
    pub requested: Option<Ipv4Addr>,
    /// Option 54, the server that is meant.
    pub server: Option<Ipv4Addr>,
}

impl Question {
    /// A DISCOVER.
    #[must_use]
    pub fn discover(mac: Mac, xid: u32) -> Self {
        Self { kind: Kind::Discover, mac, xid, requested: None, server: None }
    }

    /// The REQUEST that takes an offer (SELECTING, RFC 2131 §4.3.2).
    #[must_use]
    pub fn select(mac: Mac, xid: u32, address: Ipv4Addr, server: Ipv4Addr) -> Self {
        Self { kind: Kind::Request, mac, xid, requested: Some(address), server: Some(server) }
    }

    /// The REQUEST of a client that remembers its lease after a restart (INIT-REBOOT, RFC 2131 §4.3.2).
    #[must_use]
    pub fn reboot(mac: Mac, xid: u32, address: Ipv4Addr) -> Self {
        Self { kind: Kind::Request, mac, xid, requested: Some(address), server: None }
    }

    /// The frame, from 0.0.0.0 port 68 to 255.255.255.255 port 67.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        let dhcp = self.message();
        let udp_length = (8 + dhcp.len()) as u16;
        let mut ip = [0_u8; 20];
        ip[0] = 0x45;
        ip[2..4].copy_from_slice(&(20 + udp_length).to_be_bytes());
        ip[8] = 64;
        ip[9] = 17;
        ip[16..20].fill(0xff);
        let sum = checksum(&ip);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        let mut frame = vec![0xff; 6];
        frame.extend(self.mac);
        frame.extend([0x08, 0x00]);
        frame.extend(ip);
        // A UDP checksum of zero means none (RFC 768); DHCP over IPv4 may do without.
        frame.extend([0, 68, 0, 67]);
        frame.extend(udp_length.to_be_bytes());
        frame.extend([0, 0]);
        frame.extend(dhcp);
        frame
    }

    fn message(&self) -> Vec<u8> {
        let mut message = vec![0; OPTIONS];
        message[..4].copy_from_slice(&[1, 1, 6, 0]);
        message[4..8].copy_from_slice(&self.xid.to_be_bytes());
        // The broadcast flag: this client has no address that an answer could be sent to.
        message[10] = 0x80;
        message[28..34].copy_from_slice(&self.mac);
        message[236..240].copy_from_slice(&COOKIE);
        message.extend([53, 1, self.kind as u8]);
        for (code, address) in [(50, self.requested), (54, self.server)] {
            if let Some(address) = address {
                message.extend([code, 4]);
                message.extend(address.octets());
            }
        }
        message.extend([55, 4, 1, 3, 6, 15, 255]);
        // RFC 951 §3 wants at least 300 bytes, and some servers insist.
        message.resize(message.len().max(300), 0);
        message
    }
}

/// What a server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Which message.
    pub kind: Kind,
    /// Whom it is for.
    pub mac: Mac,
    /// The question's transaction id.
    pub xid: u32,
    /// The address that is offered or confirmed (`yiaddr`).
    pub address: Ipv4Addr,
    /// Option 54.
    pub server: Option<Ipv4Addr>,
    /// Option 51 in seconds.
    pub lease_s: Option<u32>,
}

impl Answer {
    /// Reads a frame; `None` if it is no DHCP answer.
    #[must_use]
    pub fn read(frame: &[u8]) -> Option<Self> {
        let is_ipv4_udp = frame.get(12..15)? == [0x08, 0x00, 0x45] && *frame.get(23)? == 17;
        let from_server = frame.get(34..38)? == [0, 67, 0, 68];
        let message = frame.get(HEADERS..)?;
        if !is_ipv4_udp || !from_server || *message.first()? != 2 || message.get(236..OPTIONS)? != COOKIE {
            return None;
        }
        let mut answer = Self {
            kind: Kind::Offer,
            mac: message.get(28..34)?.try_into().ok()?,
            xid: u32::from_be_bytes(message.get(4..8)?.try_into().ok()?),
            address: address(message.get(16..20)?)?,
            server: None,
            lease_s: None,
        };
        let mut kind = None;
        let mut rest = message.get(OPTIONS..)?;
        while let [code, tail @ ..] = rest {
            match code {
                0 => rest = tail,
                255 => break,
                _ => {
                    let length = usize::from(*tail.first()?);
                    let value = tail.get(1..=length)?;
                    match code {
                        53 => kind = Kind::from_byte(*value.first()?),
                        54 => answer.server = address(value),
                        51 => answer.lease_s = value.try_into().ok().map(u32::from_be_bytes),
                        _ => {}
                    }
                    rest = tail.get(1 + length..)?;
                }
            }
        }
        answer.kind = kind?;
        Some(answer)
    }
}

fn address(bytes: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(bytes).ok().map(Ipv4Addr::from)
}

/// The Internet checksum (RFC 1071) of an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !(((folded & 0xffff) + (folded >> 16)) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = [2, 0, 0, 0, 0, 9];

    /// Turns a question into the answer of a server that agrees.
    fn answer(question: &Question, kind: Kind) -> Vec<u8> {
        let mut frame = question.frame();
        frame[34..38].copy_from_slice(&[0, 67, 0, 68]);
        frame[HEADERS] = 2;
        frame[HEADERS + 16..HEADERS + 20].copy_from_slice(&[10, 0, 0, 17]);
        frame.truncate(HEADERS + OPTIONS);
        frame.extend([53, 1, kind as u8, 0, 51, 4, 0, 0, 0x0e, 0x10, 54, 4, 10, 0, 0, 1, 255]);
        frame
    }

    #[test]
    fn an_answer_is_read() {
        let question = Question::discover(MAC, 0x0102_0304);
        let wanted = Answer {
            kind: Kind::Offer,
            mac: MAC,
            xid: 0x0102_0304,
            address: Ipv4Addr::new(10, 0, 0, 17),
            server: Some(Ipv4Addr::new(10, 0, 0, 1)),
            lease_s: Some(3600),
        };
        assert_eq!(Answer::read(&answer(&question, Kind::Offer)), Some(wanted));
        assert_eq!(Answer::read(&question.frame()), None, "a question is no answer");
    }

    #[test]
    fn a_question_is_what_the_rfc_says() {
        let frame = Question::reboot(MAC, 7, Ipv4Addr::new(10, 0, 0, 5)).frame();
        assert_eq!(frame.len(), HEADERS + 300);
        assert_eq!(checksum(&frame[14..34]), 0, "the header's sum with its checksum is all ones");
        let options = &frame[HEADERS + OPTIONS..];
        assert_eq!(options[..9], [53, 1, 3, 50, 4, 10, 0, 0, 5]);
        assert!(!options.windows(2).any(|pair| pair == [54, 4]), "INIT-REBOOT names no server (§4.3.2)");
    }

    #[test]
    fn cut_off_frames_are_no_answers() {
        let whole = answer(&Question::discover(MAC, 1), Kind::Ack);
        for length in 0..whole.len() - 17 {
            assert_eq!(Answer::read(&whole[..length]), None, "{length}");
        }
    }
}
