//! What a rule is made of.

use super::Counter;
use crate::net::{Ipv4Addr, Ipv4Net, MacAddr};
use alloc::string::String;

/// A match or an action, named after its words in nft(8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// `iifname "eth0"`
    InputIs(String),
    /// `iifname != "lo"`
    InputIsNot(String),
    /// `oifname "eth0"`
    OutputIs(String),
    /// `meta nfproto ipv6`
    Ipv6,
    /// `ip saddr 10.0.0.0/24`
    SourceIn(Ipv4Net),
    /// `ip saddr != 10.0.0.0/24`
    SourceNotIn(Ipv4Net),
    /// `ip daddr 10.0.0.0/24`
    DestinationIn(Ipv4Net),
    /// `ip daddr != 10.0.0.0/24`
    DestinationNotIn(Ipv4Net),
    /// `ip6 saddr fe80::/10`
    SourceIsLinkLocal,
    /// `ether saddr 02:00:00:00:00:01`
    MacIs(MacAddr),
    /// `fib saddr type local`: the source is an address of ours.
    SourceIsOurs,
    /// `fib saddr . iif oif missing`: the way back to the source is not the way it came (RFC 3704 §2.2).
    NoWayBack,
    /// `fib daddr type local`: the destination is an address of ours, whichever that is today.
    DestinationIsOurs,
    /// `ct state new`
    New,
    /// `ct state invalid`
    Invalid,
    /// `ct state invalid,untracked`
    InvalidOrUntracked,
    /// `ct state established,related`
    EstablishedOrRelated,
    /// `ct status assured,snat / assured,snat`: packets went both ways, and the source is translated.
    AssuredMasqueraded,
    /// `ct status assured,dnat / assured,dnat`: packets went both ways, and the destination is translated.
    AssuredPortForward,
    /// `ct status snat,dnat`: source or destination is translated.
    Translated,
    /// `ct status dnat`: the destination is translated.
    PortForwarded,
    /// `meta l4proto tcp`
    Is(Protocol),
    /// `ip6 nexthdr ah`: the IPsec Authentication Header (RFC 4302) comes right after IPv6's own header. To the kernel it is one
    /// of IPv6's extension headers, so `meta l4proto` names what lies behind it.
    AuthenticatedIpv6,
    /// `tcp dport 53` or `tcp dport 8000-8010`; for TCP and UDP only.
    To(Protocol, u16, u16),
    /// `udp sport 67 udp dport 68`
    UdpFromTo(u16, u16),
    /// `udp sport 53`
    UdpFrom(u16),
    /// `tcp flags syn / fin,syn,rst`: the SYN and the SYN-ACK of a handshake.
    TcpHandshake,
    /// `tcp flags syn / fin,syn,rst,ack`: the SYN alone.
    TcpSyn,
    /// `icmp type echo-request`
    EchoRequest,
    /// `icmp type destination-unreachable icmp code port-unreachable`
    PortUnreachable,
    /// `icmpv6 type { echo-request, echo-reply }`; the types in rising order.
    Icmpv6(&'static [Icmpv6Type]),
    /// `limit rate 10/second`, with a burst of 5 packets (nft's default, which it leaves out when it prints).
    LimitPerSecond(u32),
    /// `limit rate over 25/second burst 50 packets`: matches what goes beyond.
    FasterThan(u32, u32),
    /// `update @syns { ip saddr limit rate over 25/second burst 50 packets }`: the same for each source.
    SourceFasterThan(u32, u32),
    /// `add @connections { ip saddr ct count over 1000 }`: the source has more connections than that.
    SourceConnectionsOver(u32),
    /// `counter name "spoofed"`
    Count(Counter),
    /// `tcp option maxseg size set rt mtu`: lowers the MSS to what both ways of the flow can carry.
    ClampMss,
    /// `flow add @fast`
    AddToFlowtable(&'static str),
    /// `notrack`: conntrack passes over this packet.
    Notrack,
    /// `masquerade`
    Masquerade,
    /// `dnat ip to 10.0.0.2` or `dnat ip to 10.0.0.2:80`
    ForwardTo(Ipv4Addr, Option<u16>),
    /// `jump from_lan`
    Jump(&'static str),
    /// `accept`
    Accept,
    /// `drop`
    Drop,
    /// `reject with tcp reset`
    RejectTcp,
    /// `reject with icmp port-unreachable`
    RejectPort,
    /// `reject with icmp net-unreachable`
    RejectNet,
    /// `reject with icmp admin-prohibited`
    RejectProhibited,
}

/// A protocol above IP, with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP
    Tcp = 6,
    /// UDP
    Udp = 17,
    /// IPsec's Encapsulating Security Payload (RFC 4303)
    Esp = 50,
}

/// ICMPv6 messages by their numbers, as far as RFC 4890 lets them pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the registry")]
pub enum Icmpv6Type {
    DestinationUnreachable = 1,
    PacketTooBig = 2,
    TimeExceeded = 3,
    ParameterProblem = 4,
    EchoRequest = 128,
    EchoReply = 129,
    ListenerQuery = 130,
    ListenerReport = 131,
    ListenerDone = 132,
    RouterSolicit = 133,
    RouterAdvert = 134,
    NeighbourSolicit = 135,
    NeighbourAdvert = 136,
    InverseSolicit = 141,
    InverseAdvert = 142,
    ListenerReport2 = 143,
    CertificationPathSolicit = 148,
    CertificationPathAdvert = 149,
    MulticastRouterAdvert = 151,
    MulticastRouterSolicit = 152,
    MulticastRouterTermination = 153,
}
