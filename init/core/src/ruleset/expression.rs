//! A statement in the kernel's own small machine: loads into a register, comparisons, verdicts.
//!
//! Numbers are those of linux/netfilter/nf_tables.h. The line above each group is what `nft --debug=netlink` prints.

use super::nla::{be32, be64, bytes, nest, text};
use super::{Icmpv6Type, Protocol, SourceSet, Statement};
use crate::net::{Ipv4Addr, Ipv4Net};
use alloc::vec::Vec;

/// The register that nearly all use (`NFT_REG_1`, 16 bytes), and the one for a second value.
const REGISTER: u32 = 1;
const SECOND_REGISTER: u32 = 2;
/// `IFNAMSIZ`: an interface name with its padding of zeroes.
const NAME_LEN: usize = 16;

const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;
const IPPROTO_ICMP: u8 = 1;
const IPPROTO_ICMPV6: u8 = 58;

/// Keys of `meta` (`enum nft_meta_keys`).
#[derive(Clone, Copy)]
enum Meta {
    IifName = 6,
    OifName = 7,
    IifType = 8,
    NfProto = 15,
    L4Proto = 16,
}

/// Where `payload` counts from (`enum nft_payload_bases`).
#[derive(Clone, Copy)]
enum Base {
    Link = 0,
    Network = 1,
    Transport = 2,
}

/// `enum nft_cmp_ops`
#[derive(Clone, Copy)]
enum Cmp {
    Eq = 0,
    Neq = 1,
    Lte = 3,
    Gte = 5,
}

/// What `fib` looks up (`enum nft_fib_result`) and by what (`enum nft_fib_flags`).
const FIB_OIF: u32 = 1;
const FIB_ADDRTYPE: u32 = 3;
const FIB_SADDR: u32 = 1;
const FIB_DADDR: u32 = 2;
const FIB_IIF: u32 = 8;
/// The result must be there; compared with zero it says whether.
const FIB_PRESENT: u32 = 32;
/// The type of an address of ours (linux/rtnetlink.h).
const RTN_LOCAL: u32 = 2;

// Bits of `ct state` (`NF_CT_STATE_BIT`, and the kernel's own for what is not tracked).
const INVALID: u32 = 0x1;
const ESTABLISHED: u32 = 0x2;
const RELATED: u32 = 0x4;
const NEW: u32 = 0x8;
const UNTRACKED: u32 = 0x40;

// Bits of `ct status` (`enum ip_conntrack_status`).
const ASSURED: u32 = 0x04;
const SNAT: u32 = 0x10;
const DNAT: u32 = 0x20;

// Flags of TCP.
const FIN_SYN_RST: u8 = 0x07;
const FIN_SYN_RST_ACK: u8 = 0x17;
const SYN: u8 = 0x02;

/// Writes the expressions of one statement. `set_id`: that of the rule's anonymous set, see [`anonymous_set`].
pub fn statement(out: &mut Vec<u8>, statement: &Statement, set_id: u32) {
    match statement {
        Statement::InputIs(name) => interface(out, Meta::IifName, Cmp::Eq, name),
        Statement::InputIsNot(name) => interface(out, Meta::IifName, Cmp::Neq, name),
        Statement::OutputIs(name) => interface(out, Meta::OifName, Cmp::Eq, name),
        Statement::Ipv6 => nfproto(out, NFPROTO_IPV6),
        Statement::SourceIn(net) => address(out, 12, Cmp::Eq, *net),
        Statement::SourceNotIn(net) => address(out, 12, Cmp::Neq, *net),
        Statement::DestinationIn(net) => address(out, 16, Cmp::Eq, *net),
        Statement::DestinationNotIn(net) => address(out, 16, Cmp::Neq, *net),
        Statement::SourceIsLinkLocal => link_local(out),
        Statement::MacIs(mac) => {
            meta(out, Meta::IifType);
            cmp(out, Cmp::Eq, &1u16.to_ne_bytes()); // ARPHRD_ETHER
            payload(out, Base::Link, 6, 6);
            cmp(out, Cmp::Eq, &mac.0);
        }
        Statement::SourceIsOurs => fib(out, FIB_ADDRTYPE, FIB_SADDR, RTN_LOCAL),
        Statement::NoWayBack => fib(out, FIB_OIF, FIB_SADDR | FIB_IIF | FIB_PRESENT, 0),
        Statement::DestinationIsOurs => fib(out, FIB_ADDRTYPE, FIB_DADDR, RTN_LOCAL),
        Statement::New => ct_any(out, Ct::State, NEW),
        Statement::Invalid => ct_any(out, Ct::State, INVALID),
        Statement::InvalidOrUntracked => ct_any(out, Ct::State, INVALID | UNTRACKED),
        Statement::EstablishedOrRelated => ct_any(out, Ct::State, ESTABLISHED | RELATED),
        Statement::AssuredMasqueraded => ct_all(out, Ct::Status, ASSURED | SNAT),
        Statement::AssuredPortForward => ct_all(out, Ct::Status, ASSURED | DNAT),
        Statement::Translated => ct_any(out, Ct::Status, SNAT | DNAT),
        Statement::PortForwarded => ct_any(out, Ct::Status, DNAT),
        Statement::AuthenticatedIpv6 => {
            nfproto(out, NFPROTO_IPV6);
            payload(out, Base::Network, 6, 1);
            cmp(out, Cmp::Eq, &[IPPROTO_AH]);
        }
        Statement::Is(protocol) => l4proto(out, *protocol as u8),
        Statement::To(protocol, first, last) => ports(out, *protocol, *first, *last),
        Statement::UdpFromTo(source, destination) => {
            l4proto(out, Protocol::Udp as u8);
            payload(out, Base::Transport, 0, 4);
            cmp(out, Cmp::Eq, &((u32::from(*source) << 16) | u32::from(*destination)).to_be_bytes());
        }
        Statement::UdpFrom(port) => {
            l4proto(out, Protocol::Udp as u8);
            payload(out, Base::Transport, 0, 2);
            cmp(out, Cmp::Eq, &port.to_be_bytes());
        }
        Statement::TcpHandshake => tcp_syn(out, FIN_SYN_RST),
        Statement::TcpSyn => tcp_syn(out, FIN_SYN_RST_ACK),
        Statement::EchoRequest => icmp(out, &[8]),
        Statement::PortUnreachable => icmp(out, &[3, 3]),
        Statement::Icmpv6(kinds) => icmpv6(out, kinds, set_id),
        Statement::LimitPerSecond(rate) => expression(out, "limit", |data| limit(data, *rate, 5, false)),
        Statement::FasterThan(rate, burst) => expression(out, "limit", |data| limit(data, *rate, *burst, true)),
        Statement::SourceFasterThan(rate, burst) => {
            each_source(out, SourceSet::Syns, 1, "limit", |data| limit(data, *rate, *burst, true));
        }
        Statement::SourceConnectionsOver(most) => {
            each_source(out, SourceSet::Connections, 0, "connlimit", |data| {
                be32(data, 1, *most);
                be32(data, 2, 1); // NFT_CONNLIMIT_F_INV: beyond it
            });
        }
        Statement::Count(counter) => expression(out, "objref", |data| {
            be32(data, 1, 1); // NFTA_OBJREF_IMM_TYPE: counter
            text(data, 2, &counter.name());
        }),
        Statement::ClampMss => clamp_mss(out),
        Statement::AddToFlowtable(name) => expression(out, "flow_offload", |data| text(data, 1, name)),
        Statement::Notrack => expression(out, "notrack", |_| ()),
        Statement::Masquerade => expression(out, "masq", |_| ()),
        Statement::ForwardTo(address, port) => destination_nat(out, *address, *port),
        Statement::Jump(chain) => verdict(out, JUMP, Some(chain)),
        Statement::Accept => verdict(out, 1, None),
        Statement::Drop => verdict(out, 0, None),
        Statement::RejectTcp => reject(out, 1, 0),
        Statement::RejectPort => reject(out, 0, 3),
        Statement::RejectNet => reject(out, 0, 0),
        Statement::RejectProhibited => reject(out, 0, 13),
    }
}

/// The elements of the set that a statement looks up, if it does: the kernel wants it before the rule.
pub fn anonymous_set(statement: &Statement) -> Option<&'static [Icmpv6Type]> {
    match statement {
        Statement::Icmpv6(kinds) if kinds.len() > 1 => Some(kinds),
        _ => None,
    }
}

/// One element of the list: its name and its attributes.
fn expression(out: &mut Vec<u8>, name: &str, data: impl FnOnce(&mut Vec<u8>)) {
    nest(out, 1, |element| {
        text(element, 1, name);
        nest(element, 2, data);
    });
}

/// `[ meta load iifname => reg 1 ]`
fn meta(out: &mut Vec<u8>, key: Meta) {
    expression(out, "meta", |data| {
        be32(data, 1, REGISTER);
        be32(data, 2, key as u32);
    });
}

/// `[ cmp eq reg 1 0x... ]`
fn cmp(out: &mut Vec<u8>, op: Cmp, value: &[u8]) {
    expression(out, "cmp", |data| {
        be32(data, 1, REGISTER);
        be32(data, 2, op as u32);
        nest(data, 3, |data| bytes(data, 1, value));
    });
}

/// `[ payload load 4b @ network header + 12 => reg 1 ]`
fn payload(out: &mut Vec<u8>, base: Base, offset: u32, length: u32) {
    expression(out, "payload", |data| {
        be32(data, 1, REGISTER);
        be32(data, 2, base as u32);
        be32(data, 3, offset);
        be32(data, 4, length);
    });
}

/// `[ bitwise reg 1 = ( reg 1 & mask ) ^ 0 ]`
fn mask(out: &mut Vec<u8>, mask: &[u8]) {
    let zeroes = [0; 16];
    let zeroes = zeroes.get(..mask.len()).unwrap_or(&zeroes);
    expression(out, "bitwise", |data| {
        be32(data, 1, REGISTER);
        be32(data, 2, REGISTER);
        be32(data, 3, zeroes.len() as u32);
        nest(data, 4, |data| bytes(data, 1, mask));
        nest(data, 5, |data| bytes(data, 1, zeroes));
    });
}

/// `[ meta load nfproto => reg 1 ] [ cmp eq reg 1 ... ]`: in a table of both families a match on a header says whose.
fn nfproto(out: &mut Vec<u8>, family: u8) {
    meta(out, Meta::NfProto);
    cmp(out, Cmp::Eq, &[family]);
}

/// `[ meta load l4proto => reg 1 ] [ cmp eq reg 1 ... ]`
fn l4proto(out: &mut Vec<u8>, protocol: u8) {
    meta(out, Meta::L4Proto);
    cmp(out, Cmp::Eq, &[protocol]);
}

fn interface(out: &mut Vec<u8>, key: Meta, op: Cmp, name: &str) {
    // All 16 bytes are compared: a shorter comparison would match every name that starts like this one.
    let mut padded = [0; NAME_LEN];
    for (to, from) in padded.iter_mut().zip(name.bytes().take(NAME_LEN - 1)) {
        *to = from;
    }
    meta(out, key);
    cmp(out, op, &padded);
}

fn address(out: &mut Vec<u8>, offset: u32, op: Cmp, net: Ipv4Net) {
    nfproto(out, NFPROTO_IPV4);
    payload(out, Base::Network, offset, 4);
    if net.prefix() < 32 {
        mask(out, &net.netmask().octets());
    }
    cmp(out, op, &net.network().octets());
}

/// `[ meta load nfproto ... ] [ payload load 16b @ network header + 8 ] [ bitwise & ffc0:: ] [ cmp eq fe80:: ]`
fn link_local(out: &mut Vec<u8>) {
    let (mut net, mut bits) = ([0; 16], [0; 16]);
    (net[0], net[1], bits[0], bits[1]) = (0xfe, 0x80, 0xff, 0xc0);
    nfproto(out, NFPROTO_IPV6);
    payload(out, Base::Network, 8, 16);
    mask(out, &bits);
    cmp(out, Cmp::Eq, &net);
}

/// The Authentication Header's number.
const IPPROTO_AH: u8 = 51;

/// `[ fib saddr type => reg 1 ] [ cmp eq reg 1 0x00000002 ]`
fn fib(out: &mut Vec<u8>, result: u32, by: u32, expected: u32) {
    expression(out, "fib", |data| {
        be32(data, 1, REGISTER);
        be32(data, 2, result);
        be32(data, 3, by);
    });
    cmp(out, Cmp::Eq, &expected.to_ne_bytes());
}

/// Keys of `ct` (`enum nft_ct_keys`).
#[derive(Clone, Copy)]
enum Ct {
    State = 0,
    Status = 2,
}

/// `[ ct load state => reg 1 ] [ bitwise ... ] [ cmp neq reg 1 0 ]`: one of the bits is set.
fn ct_any(out: &mut Vec<u8>, key: Ct, bits: u32) {
    ct(out, key, bits);
    cmp(out, Cmp::Neq, &[0; 4]);
}

/// `[ ct load status => reg 1 ] [ bitwise ... ] [ cmp eq reg 1 ... ]`: all of the bits are set.
fn ct_all(out: &mut Vec<u8>, key: Ct, bits: u32) {
    ct(out, key, bits);
    cmp(out, Cmp::Eq, &bits.to_ne_bytes());
}

fn ct(out: &mut Vec<u8>, key: Ct, bits: u32) {
    expression(out, "ct", |data| {
        be32(data, 1, REGISTER);
        be32(data, 2, key as u32);
    });
    mask(out, &bits.to_ne_bytes());
}

/// One port: `[ cmp eq reg 1 ... ]`; several: `[ cmp gte reg 1 ... ] [ cmp lte reg 1 ... ]`.
fn ports(out: &mut Vec<u8>, protocol: Protocol, first: u16, last: u16) {
    l4proto(out, protocol as u8);
    payload(out, Base::Transport, 2, 2);
    if first == last {
        cmp(out, Cmp::Eq, &first.to_be_bytes());
    } else {
        cmp(out, Cmp::Gte, &first.to_be_bytes());
        cmp(out, Cmp::Lte, &last.to_be_bytes());
    }
}

/// `[ payload load 1b @ transport header + 13 => reg 1 ] [ bitwise & 0x07 ] [ cmp eq reg 1 0x02 ]`
fn tcp_syn(out: &mut Vec<u8>, among: u8) {
    l4proto(out, Protocol::Tcp as u8);
    payload(out, Base::Transport, 13, 1);
    mask(out, &[among]);
    cmp(out, Cmp::Eq, &[SYN]);
}

/// `[ payload load 1b @ transport header + 0 => reg 1 ] [ lookup reg 1 set __set%d ]`, or a comparison with one type.
fn icmpv6(out: &mut Vec<u8>, kinds: &[Icmpv6Type], set_id: u32) {
    nfproto(out, NFPROTO_IPV6);
    l4proto(out, IPPROTO_ICMPV6);
    payload(out, Base::Transport, 0, 1);
    match kinds {
        [kind] => cmp(out, Cmp::Eq, &[*kind as u8]),
        _ => expression(out, "lookup", |data| {
            text(data, 1, super::encode::ANONYMOUS_SET);
            be32(data, 2, REGISTER);
            be32(data, 4, set_id);
        }),
    }
}

fn icmp(out: &mut Vec<u8>, type_and_code: &[u8]) {
    nfproto(out, NFPROTO_IPV4);
    l4proto(out, IPPROTO_ICMP);
    payload(out, Base::Transport, 0, type_and_code.len() as u32);
    cmp(out, Cmp::Eq, type_and_code);
}

/// `[ limit rate 10/second burst 5 type packets flags 0x0 ]`; flag 1 turns it round.
fn limit(data: &mut Vec<u8>, rate: u32, burst: u32, beyond: bool) {
    be64(data, 1, u64::from(rate));
    be64(data, 2, 1); // per so many seconds
    be32(data, 3, burst);
    be32(data, 4, 0); // packets, not bytes
    be32(data, 5, u32::from(beyond));
}

/// `[ payload load 4b @ network header + 12 => reg 1 ] [ dynset add reg_key 1 set connections expr [ ... ] ]`
fn each_source(out: &mut Vec<u8>, set: SourceSet, operation: u32, name: &str, fill: impl FnOnce(&mut Vec<u8>)) {
    nfproto(out, NFPROTO_IPV4);
    payload(out, Base::Network, 12, 4);
    expression(out, "dynset", |data| {
        text(data, 1, set.name());
        be32(data, 3, operation); // NFT_DYNSET_OP_ADD or _UPDATE
        be32(data, 4, REGISTER);
        nest(data, 7, |data| {
            text(data, 1, name);
            nest(data, 2, fill);
        });
    });
}

/// `[ immediate reg 1 0x0200000a ] [ immediate reg 2 0x5000 ] [ nat dnat ip addr_min reg 1 proto_min reg 2 flags 0x2 ]`
fn destination_nat(out: &mut Vec<u8>, address: Ipv4Addr, port: Option<u16>) {
    value(out, REGISTER, &address.octets());
    if let Some(port) = port {
        value(out, SECOND_REGISTER, &port.to_be_bytes());
    }
    expression(out, "nat", |data| {
        be32(data, 1, 1); // NFT_NAT_DNAT
        be32(data, 2, u32::from(NFPROTO_IPV4));
        be32(data, 3, REGISTER);
        if port.is_some() {
            be32(data, 5, SECOND_REGISTER);
            be32(data, 7, 2); // NF_NAT_RANGE_PROTO_SPECIFIED
        }
    });
}

/// `[ immediate reg 1 0x... ]`
fn value(out: &mut Vec<u8>, register: u32, value: &[u8]) {
    expression(out, "immediate", |data| {
        be32(data, 1, register);
        nest(data, 2, |data| bytes(data, 1, value));
    });
}

/// `[ rt load tcpmss => reg 1 ] [ byteorder reg 1 = hton(reg 1, 2, 2) ] [ exthdr write tcpopt reg 1 => 2b @ 2 + 2 ]`
fn clamp_mss(out: &mut Vec<u8>) {
    expression(out, "rt", |data| {
        be32(data, 1, REGISTER);
        be32(data, 2, 3); // NFT_RT_TCPMSS
    });
    expression(out, "byteorder", |data| {
        be32(data, 1, REGISTER);
        be32(data, 2, REGISTER);
        be32(data, 3, 1); // NFT_BYTEORDER_HTON
        be32(data, 4, 2);
        be32(data, 5, 2);
    });
    expression(out, "exthdr", |data| {
        bytes(data, 2, &[2]); // NFTA_EXTHDR_TYPE: TCP option 2, maximum segment size
        be32(data, 3, 2); // offset in the option
        be32(data, 4, 2); // length
        be32(data, 6, 1); // NFT_EXTHDR_OP_TCPOPT
        be32(data, 7, REGISTER);
    });
}

/// `NFT_JUMP`, a negative number.
const JUMP: u32 = (-3i32).cast_unsigned();

/// `[ immediate reg 0 accept ]` or `[ immediate reg 0 jump -> from_lan ]`
fn verdict(out: &mut Vec<u8>, code: u32, chain: Option<&str>) {
    expression(out, "immediate", |data| {
        be32(data, 1, 0); // NFT_REG_VERDICT
        nest(data, 2, |data| {
            nest(data, 2, |data| {
                be32(data, 1, code);
                if let Some(chain) = chain {
                    text(data, 2, chain);
                }
            });
        });
    });
}

/// `[ reject type 1 code 0 ]`: type 0 is ICMP unreachable with that code, type 1 a TCP reset.
fn reject(out: &mut Vec<u8>, kind: u32, code: u8) {
    expression(out, "reject", |data| {
        be32(data, 1, kind);
        bytes(data, 2, &[code]);
    });
}
