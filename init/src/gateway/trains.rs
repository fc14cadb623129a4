//! Answers on their way out, many by one system call (sendmmsg).
//!
//! What one client's port gets out of one batch leaves as a train: one message, which the kernel cuts into datagrams of one
//! length as late as it can (UDP_SEGMENT). Route, packet filter, connection tracking and queue are then passed once a train
//! and not once an answer; on the wire it looks the same. Stub resolvers that ask for A and AAAA from one socket and
//! forwarders behind us gain by it; where no two answers of a batch have one destination, nothing is sorted and nothing
//! is sent in another way. `cargo xtask bench dns` measures both.

use std::io;
use std::mem::zeroed;
use std::os::fd::RawFd;

/// The longest answer that goes in a train: what passes an Ethernet without fragments.
const MAX_PART: usize = 1472;

/// Octets of one train: what a datagram may have before it is cut, with room for headers.
const MAX_TRAIN: usize = 65_000;

/// Bits of the filter that tells whether two answers may have one destination. Of 32 that differ, some two are taken for
/// the same once in nine times, which costs a sorting.
const FILTER_BITS: usize = 4096;

/// An answer that is to be sent, and the client it is for.
pub struct Ready<'a> {
    pub peer: &'a libc::sockaddr_in,
    pub payload: &'a [u8],
}

impl Ready<'_> {
    /// Those of one client stand together, the longest first: only the last part of a train may be shorter than the others.
    fn rank(&self) -> (u32, u16, usize) {
        (self.peer.sin_addr.s_addr, self.peer.sin_port, usize::MAX - self.payload.len())
    }
}

/// How long the parts of a train are, in the form the kernel wants it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Cut {
    header: libc::cmsghdr,
    size: u16,
}

/// Sends at most `MOST` answers at a time.
pub struct Trains<const MOST: usize> {
    /// The kernel knows trains and no interface has refused them.
    wanted: bool,
}

impl<const MOST: usize> Trains<MOST> {
    /// For an IPv4 socket of UDP. A kernel before 4.18 would send a train as one datagram, so it is asked whether it knows them.
    pub fn new(socket: RawFd) -> Self {
        let (mut size, mut length): (libc::c_int, _) = (0, size_of::<libc::c_int>() as libc::socklen_t);
        // SAFETY: the option's value is an int that lives through the call, with its size.
        let known = unsafe {
            libc::getsockopt(socket, libc::SOL_UDP, libc::UDP_SEGMENT, (&raw mut size).cast(), &raw mut length)
        };
        Self { wanted: known == 0 }
    }

    /// Sends the first `MOST` of `ready`, in an order of its own. What can't be sent is lost: its client asks again.
    pub fn send(&mut self, socket: RawFd, ready: &mut [Ready]) {
        let shared = self.wanted && may_share(ready);
        if shared {
            ready.sort_unstable_by_key(Ready::rank);
        }
        // SAFETY: these are plain data of the kernel's interface, for which zeros are valid.
        let (mut slices, mut cuts, mut headers): ([libc::iovec; MOST], [Cut; MOST], [libc::mmsghdr; MOST]) =
            unsafe { (zeroed(), zeroed(), zeroed()) };
        for (slice, ready) in slices.iter_mut().zip(&*ready) {
            // The kernel only reads what it is told to send.
            *slice = libc::iovec { iov_base: ready.payload.as_ptr().cast_mut().cast(), iov_len: ready.payload.len() };
        }
        let (mut rest, mut parts) = (&*ready, slices.get_mut(..ready.len()).unwrap_or_default());
        let mut filled = 0;
        for (message, cut) in headers.iter_mut().zip(&mut cuts) {
            let Some(first) = rest.first() else { break };
            let length = if shared { train(rest) } else { 1 };
            let Some((mine, others)) = std::mem::take(&mut parts).split_at_mut_checked(length) else { break };
            message.msg_hdr = header(first.peer, mine);
            if length > 1 {
                *cut = Cut::new(first.payload.len());
                message.msg_hdr.msg_control = (&raw mut *cut).cast();
                message.msg_hdr.msg_controllen = size_of::<Cut>() as _;
            }
            (rest, parts) = (rest.get(length..).unwrap_or_default(), others);
            filled += 1;
        }
        self.send_all(socket, headers.get_mut(..filled).unwrap_or_default());
    }

    fn send_all(&mut self, socket: RawFd, mut messages: &mut [libc::mmsghdr]) {
        while let Some(first) = messages.first() {
            let first = first.msg_hdr;
            let count = messages.len() as libc::c_uint;
            // SAFETY: each header points to a peer, to slices of payloads and perhaps to a cut that live through the call,
            // with their sizes.
            let sent = unsafe { libc::sendmmsg(socket, messages.as_mut_ptr(), count, libc::MSG_DONTWAIT as _) };
            let done = usize::try_from(sent).unwrap_or(0);
            if done == 0 {
                // The kernel stops at the first message that it can't send: a full queue, a client that left. That one is
                // left out, so that it costs no other client its answer.
                let error = io::Error::last_os_error();
                self.send_singly(socket, first, &error);
            }
            messages = messages.get_mut(done.max(1)..).unwrap_or_default();
        }
    }

    /// A train that the kernel does not take is taken apart.
    fn send_singly(&mut self, socket: RawFd, train: libc::msghdr, error: &io::Error) {
        if train.msg_iovlen <= 1 {
            return;
        }
        // What an interface says that has no check sums of its own, with a kernel before 6.11. It will not learn it.
        self.wanted &= error.raw_os_error() != Some(libc::EIO);
        // Another type with each C library.
        let parts: usize = train.msg_iovlen as _;
        for part in 0..parts {
            let mut single = train;
            // SAFETY: `part` is below the number of slices that `msg_iov` points to.
            single.msg_iov = unsafe { train.msg_iov.add(part) };
            single.msg_iovlen = 1;
            single.msg_control = std::ptr::null_mut();
            single.msg_controllen = 0;
            // SAFETY: as in `send_all`.
            let _ = unsafe { libc::sendmsg(socket, &raw const single, libc::MSG_DONTWAIT as _) };
        }
    }
}

impl Cut {
    fn new(size: usize) -> Self {
        // SAFETY: plain data; it has hidden fields with some libraries.
        let mut header: libc::cmsghdr = unsafe { zeroed() };
        // SAFETY: it only computes.
        header.cmsg_len = unsafe { libc::CMSG_LEN(size_of::<u16>() as libc::c_uint) } as _;
        header.cmsg_level = libc::SOL_UDP;
        header.cmsg_type = libc::UDP_SEGMENT;
        Self { header, size: u16::try_from(size).unwrap_or(u16::MAX) }
    }
}

/// Whether two of `ready` may go to one destination. Never false when two do.
fn may_share(ready: &[Ready]) -> bool {
    let mut seen = [0_u64; FILTER_BITS / 64];
    ready.iter().any(|ready| {
        let destination = u64::from(ready.peer.sin_addr.s_addr) << 16 | u64::from(ready.peer.sin_port);
        // The upper bits of a product with the golden ratio depend on all of the destination's.
        let mixed = (destination.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % FILTER_BITS;
        let Some(word) = seen.get_mut(mixed / 64) else { return true };
        let before = *word;
        *word |= 1 << (mixed % 64);
        before == *word
    })
}

/// How many of `ready`, which are in order, make one train: at least the first.
fn train(ready: &[Ready]) -> usize {
    let Some((first, others)) = ready.split_first() else { return 0 };
    let size = first.payload.len();
    if size == 0 || size > MAX_PART {
        return 1;
    }
    let (address, port) = (first.peer.sin_addr.s_addr, first.peer.sin_port);
    let same = |other: &&Ready| other.peer.sin_port == port && other.peer.sin_addr.s_addr == address;
    let mut count = 1;
    for other in others.iter().take_while(same) {
        if other.payload.is_empty() || (count + 1) * size > MAX_TRAIN {
            break;
        }
        count += 1;
        if other.payload.len() < size {
            break;
        }
    }
    count
}

fn header(peer: &libc::sockaddr_in, slices: &mut [libc::iovec]) -> libc::msghdr {
    // SAFETY: plain data, for which zeros are valid.
    let mut header: libc::msghdr = unsafe { zeroed() };
    // The kernel only reads whom it is told to send to.
    header.msg_name = std::ptr::from_ref(peer).cast_mut().cast();
    header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    header.msg_iov = slices.as_mut_ptr();
    header.msg_iovlen = slices.len() as _;
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{SocketAddr, UdpSocket};
    use std::os::fd::AsRawFd;
    use std::time::Duration;

    /// Answers of these lengths, each filled with its number.
    fn answers(lengths: &[usize]) -> Vec<Vec<u8>> {
        lengths.iter().zip(0_u8..).map(|(length, number)| vec![number; *length]).collect()
    }

    fn client() -> (UdpSocket, libc::sockaddr_in) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let SocketAddr::V4(address) = socket.local_addr().unwrap() else { unreachable!() };
        // SAFETY: plain data.
        let mut peer: libc::sockaddr_in = unsafe { zeroed() };
        peer.sin_family = libc::AF_INET as libc::sa_family_t;
        peer.sin_port = address.port().to_be();
        peer.sin_addr.s_addr = u32::from(*address.ip()).to_be();
        (socket, peer)
    }

    fn switch_on(socket: &UdpSocket, level: i32, option: i32) {
        let on: libc::c_int = 1;
        // SAFETY: the option's value is an int that lives through the call.
        let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const on).cast(), 4) };
        assert_eq!(done, 0);
    }

    fn received(socket: &UdpSocket) -> Vec<u8> {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        buffer[..length].to_vec()
    }

    /// What the client receives of answers with these lengths, sorted.
    fn exchange(trains: &mut Trains<8>, server: &UdpSocket, lengths: &[usize]) -> Vec<Vec<u8>> {
        let (socket, peer) = client();
        let answers = answers(lengths);
        let mut ready: Vec<_> = answers.iter().map(|payload| Ready { peer: &peer, payload }).collect();
        trains.send(server.as_raw_fd(), &mut ready);
        let mut got: Vec<_> = lengths.iter().map(|_| received(&socket)).collect();
        got.sort();
        got
    }

    #[test]
    fn each_client_gets_its_answers_whole_whatever_their_lengths() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let lengths = [50, 51, 50, 1232, 50, 12, 0, 51];
        let mut sent = answers(&lengths);
        sent.sort();
        assert_eq!(exchange(&mut Trains::new(server.as_raw_fd()), &server, &lengths), sent);
    }

    #[test]
    fn answers_of_one_client_leave_as_one_message_and_those_of_two_do_not_mix() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let ((one, to_one), (other, to_other)) = (client(), client());
        // Who says that it can take trains gets them uncut.
        switch_on(&one, libc::SOL_UDP, libc::UDP_GRO);
        let answers = answers(&[50, 50, 40, 50, 50]);
        let peers = [&to_one, &to_other, &to_one, &to_one, &to_one];
        let mut ready: Vec<_> = answers.iter().zip(peers).map(|(payload, peer)| Ready { peer, payload }).collect();
        Trains::<8>::new(server.as_raw_fd()).send(server.as_raw_fd(), &mut ready);
        let train = received(&one);
        assert_eq!(train.len(), 190);
        assert_eq!(train[150..], [2; 40], "the shorter one at its end");
        assert_eq!(received(&other), [1; 50]);
    }

    #[test]
    fn a_train_that_is_not_taken_is_taken_apart() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        // Datagrams without check sums can't be cut by the kernel, which says EINVAL.
        switch_on(&server, libc::SOL_SOCKET, libc::SO_NO_CHECK);
        let (lengths, mut trains) = ([50, 50, 50, 20], Trains::new(server.as_raw_fd()));
        assert_eq!(exchange(&mut trains, &server, &lengths), answers(&lengths));
        assert!(trains.wanted, "the next one may be taken");
    }

    #[test]
    fn what_is_no_socket_of_udp_gets_no_trains() {
        let socket = std::os::unix::net::UnixDatagram::unbound().unwrap();
        assert!(!Trains::<8>::new(socket.as_raw_fd()).wanted);
    }

    #[test]
    fn one_destination_among_many_is_noticed_and_others_seldom_mistaken() {
        let client = |number: u16| {
            let (address, port) = (0x0a00_0002_u32.to_be(), (40_000 + number).to_be());
            // SAFETY: plain data.
            let zeros: libc::sockaddr_in = unsafe { zeroed() };
            libc::sockaddr_in { sin_port: port, sin_addr: libc::in_addr { s_addr: address }, ..zeros }
        };
        let clients: Vec<_> = (0..6400).map(client).collect();
        let mut ready: Vec<_> = clients.iter().map(|peer| Ready { peer, payload: &[] }).collect();
        let mistaken = ready.chunks(32).filter(|batch| may_share(batch)).count();
        assert!(mistaken <= 50, "{mistaken} of 200 batches");
        for batch in ready.chunks_mut(32) {
            batch[31].peer = batch[7].peer;
            assert!(may_share(batch));
        }
    }

    #[test]
    fn a_train_has_an_end() {
        let (_socket, peer) = client();
        let count = |lengths: &[usize]| {
            let answers = answers(lengths);
            train(&answers.iter().map(|payload| Ready { peer: &peer, payload }).collect::<Vec<_>>())
        };
        assert_eq!(count(&[]), 0);
        assert_eq!(count(&[1473, 1473]), 1, "would go in fragments");
        assert_eq!(count(&[1400; 64]), 46, "no longer than a datagram");
        assert_eq!(count(&[60, 60, 50, 50]), 3);
        assert_eq!(count(&[60, 0]), 1);
        assert_eq!(count(&[0, 0]), 1);
    }
}
