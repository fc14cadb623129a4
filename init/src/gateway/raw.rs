//! Raw Ethernet sockets (packet(7)): for DHCP before there is an address, and for address probes.

use gatepost_core::net::{Ipv4Net, MacAddr};
use nix::libc;
use nix::sys::socket::socket;
use nix::sys::socket::{AddressFamily, MsgFlags, MultiHeaders, SockFlag, SockProtocol, SockType, recv, send, sendmmsg};
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd};
use tokio::io::unix::AsyncFd;

/// What the socket lets through to us. The kernel filters; no other frame wakes the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Nothing: a socket to send with.
    Nothing,
    /// IPv4 UDP to port 68, unfragmented.
    DhcpClient,
    /// IPv4 UDP to port 67, unfragmented, from an address outside this network that is not 0.0.0.0.
    DhcpServer {
        /// What comes from here is heard elsewhere.
        except: Ipv4Net,
    },
    /// ARP.
    Arp,
}

/// A raw socket on one interface.
pub struct RawSocket {
    fd: AsyncFd<OwnedFd>,
    /// The hardware address of the interface.
    pub mac: MacAddr,
}

/// The largest frame that is read; Ethernet's 1514 bytes and room for tags.
const MAX_FRAME: usize = 2048;

impl RawSocket {
    /// Opens a socket on the interface with this index. Needs CAP_NET_RAW.
    pub fn open(index: u32, mac: MacAddr, listen: Listen) -> io::Result<Self> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Packet, SockType::Raw, flags, None::<SockProtocol>)?;
        match listen {
            Listen::Nothing | Listen::Arp => {}
            Listen::DhcpClient => attach_filter(&fd, &udp_to(68))?,
            Listen::DhcpServer { except } => attach_filter(&fd, &[&from_outside(except)[..], &udp_to(67)].concat())?,
        }
        // Only from here on do frames arrive: none slips in ahead of the filter.
        bind(&fd, index, listen)?;
        // SAFETY: the descriptor is owned by what is registered, open, and never replaced.
        let fd = unsafe { AsyncFd::register(fd)? };
        Ok(Self { fd, mac })
    }

    /// The next frame.
    pub async fn receive(&self) -> io::Result<Vec<u8>> {
        let mut frame = vec![0; MAX_FRAME];
        let length = self
            .fd
            .async_io(tokio::io::Interest::READABLE, |fd| Ok(recv(fd.as_raw_fd(), &mut frame, MsgFlags::MSG_DONTWAIT)?))
            .await?;
        frame.truncate(length);
        Ok(frame)
    }

    /// Sends whole frames with as few system calls as the kernel allows. Like [`Self::send`], it loses what does not
    /// fit into the queue; one that can't be sent costs no other.
    pub fn send_all(&self, frames: &[Vec<u8>]) {
        let mut rest = frames;
        while rest.len() > 1 {
            let slices: Vec<_> = rest.iter().map(|frame| [IoSlice::new(frame)]).collect();
            let nowhere = vec![None::<()>; rest.len()];
            let mut headers = MultiHeaders::preallocate(rest.len(), None);
            let (fd, flags) = (self.fd.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
            let sent = sendmmsg(fd, &mut headers, &slices, &nowhere, [], flags).map_or(0, Iterator::count);
            if sent == 0 {
                break;
            }
            rest = rest.get(sent..).unwrap_or_default();
        }
        for frame in rest {
            // What is lost is asked for again; an interface that is gone shows in the next snapshot.
            let _ = self.send(frame);
        }
    }

    /// Sends a whole frame, or drops it when the queue is full: every protocol that uses this repeats itself.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        let try_send = || send(self.fd.as_raw_fd(), frame, MsgFlags::MSG_DONTWAIT);
        // The first call after the interface was down reports that, even when it is up again: news, not an answer.
        let sent = match try_send() {
            Err(nix::Error::ENETDOWN) => try_send(),
            sent => sent,
        };
        match sent {
            Ok(_) | Err(nix::Error::EAGAIN | nix::Error::ENOBUFS) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn bind(fd: &OwnedFd, index: u32, listen: Listen) -> io::Result<()> {
    let protocol = match listen {
        Listen::Nothing => 0,
        Listen::DhcpClient | Listen::DhcpServer { .. } => libc::ETH_P_IP as u16,
        Listen::Arp => libc::ETH_P_ARP as u16,
    };
    // SAFETY: sockaddr_ll is plain integers; all zeroes is a valid value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = i32::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?;
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: `address` is a sockaddr_ll of `length` bytes and outlives the call.
    let result = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn attach_filter(fd: &OwnedFd, program: &[libc::sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: program.len() as u16,
        // The kernel copies the program and does not write to it.
        filter: program.as_ptr().cast_mut(),
    };
    let length = size_of::<libc::sock_fprog>() as libc::socklen_t;
    // SAFETY: `program` is a sock_fprog of `length` bytes whose filter points to `len` instructions; both outlive the call.
    let result = unsafe {
        libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, (&raw const program).cast(), length)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

const fn statement(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

const fn jump(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

/// Classic BPF: IPv4, UDP, not a later fragment, this destination port. Offsets from the start of the Ethernet frame.
fn udp_to(port: u16) -> [libc::sock_filter; 11] {
    use libc::{BPF_ABS, BPF_B, BPF_H, BPF_IND, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_LDX, BPF_MSH, BPF_RET};
    [
        statement(BPF_LD | BPF_H | BPF_ABS, 12),
        jump(BPF_JMP | BPF_JEQ | BPF_K, 0x0800, 0, 7),
        statement(BPF_LD | BPF_B | BPF_ABS, 23),
        jump(BPF_JMP | BPF_JEQ | BPF_K, 17, 0, 5),
        statement(BPF_LD | BPF_H | BPF_ABS, 20),
        jump(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 3, 0),
        statement(BPF_LDX | BPF_B | BPF_MSH, 14),
        statement(BPF_LD | BPF_H | BPF_IND, 16),
        jump(BPF_JMP | BPF_JEQ | BPF_K, port.into(), 1, 0),
        statement(BPF_RET | BPF_K, 0),
        statement(BPF_RET | BPF_K, MAX_FRAME as u32),
    ]
}

/// Classic BPF that goes on with what stands behind it if the IPv4 source is neither in this network nor 0.0.0.0.
fn from_outside(net: Ipv4Net) -> [libc::sock_filter; 5] {
    use libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W};
    [
        statement(BPF_LD | BPF_W | BPF_ABS, 26),
        jump(BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0),
        statement(BPF_ALU | BPF_AND | BPF_K, net.netmask().to_bits()),
        jump(BPF_JMP | BPF_JEQ | BPF_K, net.network().to_bits(), 0, 1),
        statement(BPF_RET | BPF_K, 0),
    ]
}
