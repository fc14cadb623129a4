//! What the outside tells the event loop, from the tasks that wait for it.

use super::netlink::Network;
use gatepost_core::dns::{BlockList, Failure, UpstreamKey};
use gatepost_core::gateway::WifiEvent;
use gatepost_core::time::Reading;
use gatepost_core::wifi::PmkDone;
use std::net::{Ipv4Addr, SocketAddrV4};
use tokio::sync::mpsc;

/// Events in the queue before whoever brings the next one waits. Waiting tasks hold their sockets still, so the
/// kernel's own limits push back on the network.
pub const QUEUE: usize = 256;

/// Where tasks put their events.
pub type EventSender = mpsc::Sender<Event>;

/// Something happened outside.
pub enum Event {
    /// Steps towards the wanted network state were taken.
    Applied {
        /// The way to the kernel, back from doing so.
        network: Network,
        /// What went wrong, a sentence each.
        failures: Vec<String>,
    },
    /// A frame with a DHCP message for the uplink's client.
    UplinkDhcp {
        /// The whole Ethernet frame.
        frame: Vec<u8>,
    },
    /// An ARP packet on the uplink while an address is being probed.
    UplinkArp {
        /// The whole Ethernet frame.
        frame: Vec<u8>,
    },
    /// An ARP packet on the LAN while an address is being asked for.
    LanArp {
        /// The whole Ethernet frame.
        frame: Vec<u8>,
    },
    /// A frame on the LAN with a DHCP message from outside its network.
    LeftBehind {
        /// The whole Ethernet frame.
        frame: Vec<u8>,
    },
    /// A whole DNS query came over TCP.
    DnsTcpQuery {
        /// Which connection to answer.
        connection: u64,
        /// Who asks.
        peer: SocketAddrV4,
        /// The message without its length.
        query: Vec<u8>,
    },
    /// A TCP connection of a DNS client ended.
    DnsTcpClosed {
        /// Which one.
        connection: u64,
    },
    /// An upstream server's reply, not yet checked.
    DnsReply {
        /// The question it came for.
        key: UpstreamKey,
        /// The server that the socket is connected to.
        from: SocketAddrV4,
        /// The message.
        reply: Vec<u8>,
    },
    /// A question's socket has trouble.
    DnsAskFailed {
        /// Which question.
        key: UpstreamKey,
        /// What trouble.
        failure: Failure,
    },
    /// A time server's answer, not yet checked.
    TimeReply {
        /// The server that the socket is connected to.
        from: Ipv4Addr,
        /// The packet.
        payload: Vec<u8>,
        /// When the question left, by the boot clock in nanoseconds.
        sent: u64,
        /// What the clocks said when the answer came.
        at: Reading,
    },
    /// A server that is asked through TLS can't be asked, or can again.
    TlsTrouble {
        /// The server as it stands in the configuration.
        server: String,
        /// Why it can't be asked, the end of a sentence; `None`: it can.
        trouble: Option<String>,
    },
    /// Leases up to this sequence number are on the disk.
    LeasesStored {
        /// The last one.
        sequence: u64,
    },
    /// The disk refused; what to tell the person.
    DiskFailed {
        /// What, where, why.
        message: String,
    },
    /// The block lists are read.
    BlockLists {
        /// The names in them.
        list: BlockList,
        /// What was wrong with them, a sentence each.
        troubles: Vec<String>,
    },
    /// A line for the log, of a machine that boots from the network.
    Netboot {
        /// What it had or did not get.
        line: String,
    },
    /// Something happened at the radio.
    Wifi {
        /// Which run of the radio's worker tells it: what an earlier one has still said counts no more.
        run: u64,
        /// What.
        event: WifiEvent,
    },
    /// A passphrase has become a key.
    Key(PmkDone),
    /// Somebody asks over the control socket.
    Control {
        /// `status`, `leases`, `names`, `wifi`, `log` or `firewall`.
        question: String,
        /// Where the text goes.
        answer: tokio::sync::oneshot::Sender<String>,
    },
}
