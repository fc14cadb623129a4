//! Connections that a port forward made and that outlived it: the address they began under is another's now, the
//! forward is gone, or its host has moved. The kernel would go on translating them, an answer from our host would leave
//! with the old address. Masqueraded ones need no care: the kernel forgets them itself when their address goes.
//!
//! Spoken is ctnetlink (linux/netfilter/nfnetlink_conntrack.h): a dump of those whose destination was translated, then
//! one deletion for each that is stale. Only port forwards translate destinations, so all of them are ours to judge.

use super::encode::NLM_F_REQUEST;
use super::nla::{NLA_F_NESTED, be32, bytes};
use super::readings::{NLM_F_DUMP, attribute, messages, request};
use crate::config::{PortForward, Transport};
use crate::net::Ipv4Addr;
use alloc::vec::Vec;

const NFNL_SUBSYS_CTNETLINK: u16 = 1;
const NEW_FLOW: u16 = 0;
const GET_FLOW: u16 = 1;
const DELETE_FLOW: u16 = 2;
const NFPROTO_IPV4: u8 = 2;

// Attributes of a flow.
const TUPLE_ORIG: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const STATUS: u16 = 3;
const ID: u16 = 12;
const STATUS_MASK: u16 = 26;
/// `IPS_DST_NAT`: the destination was translated.
const DST_NAT: u32 = 1 << 5;

/// Most stale flows that are taken from one dump; what is beyond is found by the next one.
pub const FLOWS_MAX: usize = 4096;

/// An address and a port.
type End = (Ipv4Addr, u16);

/// A connection whose destination was translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    protocol: u8,
    /// Where its first packet was sent.
    destination: End,
    /// Who answers.
    host: End,
    /// Its first direction and its number, as the kernel writes them.
    tuple: Vec<u8>,
    id: Vec<u8>,
}

impl Flow {
    /// Whether none of these port forwards would make it. Without an uplink's address any counts as the right one.
    pub fn is_stale(&self, uplink: Option<Ipv4Addr>, forwards: &[PortForward]) -> bool {
        let (address, port) = self.destination;
        let makes = |forward: &PortForward| {
            let protocols: &[u8] = match forward.transport {
                Transport::Tcp => &[6],
                Transport::Udp => &[17],
                Transport::Both => &[6, 17],
            };
            protocols.contains(&self.protocol)
                && (forward.ports.first..=forward.ports.last).contains(&port)
                && self.host == (forward.to, forward.to_port.unwrap_or(port))
        };
        uplink.is_some_and(|uplink| uplink != address) || !forwards.iter().any(makes)
    }

    /// The message that deletes it, and no other one that has come to the same addresses and ports since.
    pub fn deletion(&self) -> Vec<u8> {
        message(DELETE_FLOW, NLM_F_REQUEST, |out| {
            bytes(out, TUPLE_ORIG | NLA_F_NESTED, &self.tuple);
            bytes(out, ID, &self.id);
        })
    }
}

/// The message that asks for all connections whose destination was translated.
pub fn flows_request() -> Vec<u8> {
    message(GET_FLOW, NLM_F_REQUEST | NLM_F_DUMP, |out| {
        be32(out, STATUS, DST_NAT);
        be32(out, STATUS_MASK, DST_NAT);
    })
}

/// Takes the flows that `is_stale` out of one datagram of the answer. `true`: it was the last one (also if it is an
/// error).
pub fn read_flows(datagram: &[u8], flows: &mut Vec<Flow>, is_stale: impl Fn(&Flow) -> bool) -> bool {
    messages(datagram, |kind, body| {
        if kind == NFNL_SUBSYS_CTNETLINK << 8 | NEW_FLOW && flows.len() < FLOWS_MAX {
            flows.extend(flow(body).filter(&is_stale));
        }
    })
}

fn flow(body: &[u8]) -> Option<Flow> {
    // A kernel that does not know the question's filter answers with everything.
    let status = u32::from_be_bytes(attribute(body, STATUS)?.try_into().ok()?);
    let (tuple, id) = (attribute(body, TUPLE_ORIG)?, attribute(body, ID)?);
    let (protocol, _, destination) = ends(tuple)?;
    let (_, host, _) = ends(attribute(body, TUPLE_REPLY)?)?;
    (status & DST_NAT != 0).then(|| Flow { protocol, destination, host, tuple: tuple.into(), id: id.into() })
}

/// Protocol, source and destination of one direction (`CTA_TUPLE_*`).
fn ends(tuple: &[u8]) -> Option<(u8, End, End)> {
    let (addresses, ports) = (attribute(tuple, 1)?, attribute(tuple, 2)?);
    let address = |kind| attribute(addresses, kind)?.try_into().ok().map(<Ipv4Addr as From<[u8; 4]>>::from);
    let port = |kind| attribute(ports, kind)?.try_into().ok().map(u16::from_be_bytes);
    let [protocol] = attribute(ports, 1)?.try_into().ok()?;
    Some((protocol, (address(1)?, port(2)?), (address(2)?, port(3)?)))
}

fn message(kind: u16, flags: u16, fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    request(NFNL_SUBSYS_CTNETLINK << 8 | kind, flags, NFPROTO_IPV4, fill)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Ports;
    use crate::ruleset::nla::nest;
    use alloc::vec;
    use proptest::prelude::*;

    fn direction(out: &mut Vec<u8>, kind: u16, protocol: u8, from: ([u8; 4], u16), to: ([u8; 4], u16)) {
        nest(out, kind, |out| {
            nest(out, 1, |out| {
                bytes(out, 1, &from.0);
                bytes(out, 2, &to.0);
            });
            nest(out, 2, |out| {
                bytes(out, 1, &[protocol]);
                bytes(out, 2, &from.1.to_be_bytes());
                bytes(out, 3, &to.1.to_be_bytes());
            });
        });
    }

    /// A caller's connection to port 8080 of the uplink's address, passed on to port 80 of 10.0.0.2.
    fn entry(protocol: u8, status: u32) -> Vec<u8> {
        message(NEW_FLOW, 0, |out| {
            let caller = ([192, 0, 2, 9], 5000);
            direction(out, TUPLE_ORIG, protocol, caller, ([192, 168, 0, 51], 8080));
            direction(out, TUPLE_REPLY, protocol, ([10, 0, 0, 2], 80), caller);
            be32(out, STATUS, status);
            be32(out, ID, 77);
        })
    }

    fn read(datagram: &[u8]) -> Vec<Flow> {
        let mut flows = Vec::new();
        assert!(!read_flows(datagram, &mut flows, |_| true));
        flows
    }

    #[test]
    fn a_flow_is_stale_once_no_forward_makes_it() {
        let flows = read(&[entry(6, DST_NAT | 0x8e), entry(6, 0x8e)].concat());
        assert_eq!(flows.len(), 1, "the second was not translated");
        let (now, later) = (Ipv4Addr::new(192, 168, 0, 51), Ipv4Addr::new(192, 168, 0, 52));
        let forward = PortForward {
            transport: Transport::Tcp,
            ports: Ports { first: 8080, last: 8080 },
            to: [10, 0, 0, 2].into(),
            to_port: Some(80),
        };
        let stale = |address: Ipv4Addr, forwards: &[PortForward]| flows[0].is_stale(Some(address), forwards);
        assert!(!stale(now, &[forward]));
        assert!(!stale(now, &[PortForward { to_port: Some(81), ..forward }, forward]));
        assert!(stale(later, &[forward]), "the address is another's");
        assert!(!flows[0].is_stale(None, &[forward]) && flows[0].is_stale(None, &[]));
        assert!(stale(now, &[]), "the forward is gone");
        for other in [
            PortForward { to: [172, 20, 0, 2].into(), ..forward },
            PortForward { to_port: None, ..forward },
            PortForward { transport: Transport::Udp, ..forward },
            PortForward { ports: Ports { first: 8081, last: 8090 }, ..forward },
        ] {
            assert!(stale(now, &[other]), "{other:?}");
        }
        let udp = &read(&entry(17, DST_NAT))[0];
        assert!(!udp.is_stale(Some(now), &[PortForward { transport: Transport::Both, ..forward }]));
    }

    #[test]
    fn a_deletion_names_the_flow_as_the_kernel_did() {
        let flow = &read(&entry(6, DST_NAT))[0];
        let deletion = flow.deletion();
        assert_eq!(deletion.len(), usize::from(deletion[0]));
        let body = &deletion[20..];
        assert_eq!(attribute(body, TUPLE_ORIG), Some(&flow.tuple[..]));
        assert_eq!(attribute(body, ID), Some(&[0, 0, 0, 77][..]));
    }

    #[test]
    fn the_number_of_flows_has_a_cap() {
        let mut flows = Vec::new();
        let many = [entry(6, DST_NAT), entry(17, DST_NAT)].concat();
        for _ in 0..FLOWS_MAX {
            read_flows(&many, &mut flows, |_| true);
        }
        assert_eq!(flows.len(), FLOWS_MAX);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(noise: Vec<u8>, at in 0usize..100, byte: u8, cut in 0usize..200) {
            read_flows(&noise, &mut vec![], |_| true);
            let mut bent = entry(6, DST_NAT);
            if let Some(place) = bent.get_mut(at) {
                *place = byte;
            }
            read_flows(&bent[..cut.min(bent.len())], &mut vec![], |_| true);
        }
    }
}
