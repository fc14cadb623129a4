//! A statement in the kernel's own small machine: loads into a register, comparisons, verdicts.
//!
//! Numbers are those of linux/netfilter/nf_tables.h. The line above each group is what `nft --debug=netlink` prints.

use super::Statement;
use super::nla::{be32, be64, bytes, nest, text};
use crate::net::Ipv4Net;
use alloc::vec::Vec;

/// The one register that we use (`NFT_REG_1`, 16 bytes).
const REGISTER: u32 = 1;
/// `IFNAMSIZ`: an interface name with its padding of zeroes.
const NAME_LEN: usize = 16;

const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;
const IPPROTO_ICMP: u8 = 1;
const IPPROTO_TCP: u8 = 6;
const IPPROTO_UDP: u8 = 17;
const IPPROTO_ICMPV6: u8 = 58;

/// Keys of `meta` (`enum nft_meta_keys`).
#[derive(Clone, Copy)]
enum Meta {
    IifName = 6,
    OifName = 7,
    NfProto = 15,
    L4Proto = 16,
}

/// Where `payload` counts from (`enum nft_payload_bases`).
#[derive(Clone, Copy)]
enum Base {
    Network = 1,
    Transport = 2,
}

/// `enum nft_cmp_ops`
#[derive(Clone, Copy)]
enum Cmp {
    Eq = 0,
    Neq = 1,
}

/// Writes the expressions of one statement.
pub fn statement(out: &mut Vec<u8>, statement: &Statement) {
    match statement {
        Statement::InputIs(name) => interface(out, Meta::IifName, Cmp::Eq, name),
        Statement::InputIsNot(name) => interface(out, Meta::IifName, Cmp::Neq, name),
        Statement::OutputIs(name) => interface(out, Meta::OifName, Cmp::Eq, name),
        Statement::SourceIn(net) => address(out, 12, Cmp::Eq, *net),
        Statement::SourceNotIn(net) => address(out, 12, Cmp::Neq, *net),
        Statement::DestinationIn(net) => address(out, 16, Cmp::Eq, *net),
        Statement::SourceIsOurs => source_is_ours(out),
        Statement::Invalid => ct_state(out, 0x1),
        Statement::Established => ct_state(out, 0x2),
        Statement::EstablishedOrRelated => ct_state(out, 0x2 | 0x4),
        Statement::Tcp => l4proto(out, IPPROTO_TCP),
        Statement::TcpTo(port) => port_match(out, IPPROTO_TCP, 2, &port.to_be_bytes()),
        Statement::UdpTo(port) => port_match(out, IPPROTO_UDP, 2, &port.to_be_bytes()),
        Statement::UdpFromTo(source, destination) => {
            let ports = (u32::from(*source) << 16) | u32::from(*destination);
            port_match(out, IPPROTO_UDP, 0, &ports.to_be_bytes());
        }
        Statement::TcpSyn => tcp_syn(out),
        Statement::EchoRequest => icmp(out, &[8]),
        Statement::PortUnreachable => icmp(out, &[3, 3]),
        Statement::Icmpv6(kind) => {
            nfproto(out, NFPROTO_IPV6);
            l4proto(out, IPPROTO_ICMPV6);
            payload(out, Base::Transport, 0, 1);
            cmp(out, Cmp::Eq, &[*kind as u8]);
        }
        Statement::LimitPerSecond(rate) => limit(out, *rate),
        Statement::Count(counter) => expression(out, "objref", |data| {
            be32(data, 1, 1); // NFTA_OBJREF_IMM_TYPE: counter
            text(data, 2, counter.name());
        }),
        Statement::ClampMss => clamp_mss(out),
        Statement::AddToFlowtable(name) => expression(out, "flow_offload", |data| text(data, 1, name)),
        Statement::Masquerade => expression(out, "masq", |_| ()),
        Statement::Accept => verdict(out, 1),
        Statement::Drop => verdict(out, 0),
        Statement::RejectTcp => reject(out, 1, 0),
        Statement::Reject => reject(out, 0, 3),
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
    let zeroes = [0; 4];
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

/// `[ fib saddr type => reg 1 ] [ cmp eq reg 1 0x00000002 ]`
fn source_is_ours(out: &mut Vec<u8>) {
    const RTN_LOCAL: u32 = 2;
    expression(out, "fib", |data| {
        be32(data, 1, REGISTER);
        be32(data, 2, 3); // NFT_FIB_RESULT_ADDRTYPE
        be32(data, 3, 1); // NFTA_FIB_F_SADDR
    });
    cmp(out, Cmp::Eq, &RTN_LOCAL.to_ne_bytes());
}

/// `[ ct load state => reg 1 ] [ bitwise ... ] [ cmp neq reg 1 0 ]`: one of the bits is set.
fn ct_state(out: &mut Vec<u8>, bits: u32) {
    expression(out, "ct", |data| {
        be32(data, 1, REGISTER);
        be32(data, 2, 0); // NFT_CT_STATE
    });
    mask(out, &bits.to_ne_bytes());
    cmp(out, Cmp::Neq, &[0; 4]);
}

fn port_match(out: &mut Vec<u8>, protocol: u8, offset: u32, ports: &[u8]) {
    l4proto(out, protocol);
    payload(out, Base::Transport, offset, ports.len() as u32);
    cmp(out, Cmp::Eq, ports);
}

/// `[ payload load 1b @ transport header + 13 => reg 1 ] [ bitwise & 0x07 ] [ cmp eq reg 1 0x02 ]`
fn tcp_syn(out: &mut Vec<u8>) {
    const FIN_SYN_RST: u8 = 0x07;
    const SYN: u8 = 0x02;
    l4proto(out, IPPROTO_TCP);
    payload(out, Base::Transport, 13, 1);
    mask(out, &[FIN_SYN_RST]);
    cmp(out, Cmp::Eq, &[SYN]);
}

fn icmp(out: &mut Vec<u8>, type_and_code: &[u8]) {
    nfproto(out, NFPROTO_IPV4);
    l4proto(out, IPPROTO_ICMP);
    payload(out, Base::Transport, 0, type_and_code.len() as u32);
    cmp(out, Cmp::Eq, type_and_code);
}

/// `[ limit rate 10/second burst 5 type packets flags 0x0 ]`
fn limit(out: &mut Vec<u8>, rate: u32) {
    expression(out, "limit", |data| {
        be64(data, 1, u64::from(rate));
        be64(data, 2, 1); // per so many seconds
        be32(data, 3, 5);
        be32(data, 4, 0); // packets, not bytes
        be32(data, 5, 0);
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

/// `[ immediate reg 0 accept ]`
fn verdict(out: &mut Vec<u8>, code: u32) {
    expression(out, "immediate", |data| {
        be32(data, 1, 0); // NFT_REG_VERDICT
        nest(data, 2, |data| nest(data, 2, |data| be32(data, 1, code)));
    });
}

/// `[ reject type 1 code 0 ]`: type 0 is ICMP unreachable with that code, type 1 a TCP reset.
fn reject(out: &mut Vec<u8>, kind: u32, code: u8) {
    expression(out, "reject", |data| {
        be32(data, 1, kind);
        bytes(data, 2, &[code]);
    });
}
