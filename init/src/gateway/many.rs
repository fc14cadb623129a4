//! Many datagrams by one system call in (recvmmsg), and as few as can be out, without a move of memory between the two.

use super::trains::{Ready, Trains};
use std::io;
use std::mem::zeroed;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::RawFd;
use std::ptr::null_mut;

/// Packets read or sent by one system call. Past 32 the cost of the call itself no longer shows.
pub const BATCH: usize = 32;

/// Room for a batch of datagrams of at most `SIZE` bytes, and for one answer to each.
pub struct Many<const SIZE: usize> {
    buffers: Vec<[u8; SIZE]>,
    peers: [libc::sockaddr_in; BATCH],
    lengths: [usize; BATCH],
    answers: [Vec<u8>; BATCH],
    /// The answers that are to be sent: which of `answers`.
    ready: Vec<usize>,
    trains: Trains<BATCH>,
}

impl<const SIZE: usize> Many<SIZE> {
    /// Room for the batches of `socket`, used again for every one.
    pub fn new(socket: RawFd) -> Self {
        Self {
            buffers: vec![[0; SIZE]; BATCH],
            // SAFETY: a `sockaddr_in` is plain data, for which zeros are valid.
            peers: unsafe { zeroed() },
            lengths: [0; BATCH],
            answers: Default::default(),
            ready: Vec::with_capacity(BATCH),
            trains: Trains::new(socket),
        }
    }

    /// Takes what is there, at most [`BATCH`], without waiting: how many.
    pub fn receive(&mut self, socket: RawFd) -> io::Result<usize> {
        let Self { buffers, peers, lengths, .. } = self;
        // SAFETY: both are plain data of the kernel's interface, for which zeros are valid.
        let (mut slices, mut headers): ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) = unsafe { (zeroed(), zeroed()) };
        let places = buffers.iter_mut().zip(peers.iter_mut());
        for ((slice, header), (buffer, peer)) in slices.iter_mut().zip(&mut headers).zip(places) {
            *slice = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: SIZE };
            header.msg_hdr.msg_iov = slice;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = (&raw mut *peer).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        }
        let flags = libc::MSG_DONTWAIT as _;
        // SAFETY: each header points to a slice, a buffer and a peer that live through the call, with their sizes.
        let received =
            unsafe { libc::recvmmsg(socket, headers.as_mut_ptr(), BATCH as libc::c_uint, flags, null_mut()) };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for (length, header) in lengths.iter_mut().zip(&headers).take(received) {
            *length = header.msg_len as usize;
        }
        Ok(received)
    }

    /// Hands the first `received` datagrams to `answer`, which says whether what it wrote is to be sent.
    pub fn answer(&mut self, received: usize, mut answer: impl FnMut(SocketAddrV4, &[u8], &mut Vec<u8>) -> bool) {
        self.ready.clear();
        let places = self.buffers.iter().zip(&self.lengths).zip(&self.peers).zip(&mut self.answers);
        for (at, (((buffer, length), peer), out)) in places.enumerate().take(received) {
            let Some(bytes) = buffer.get(..*length) else { continue };
            if answer(address(peer), bytes, out) {
                self.ready.push(at);
            }
        }
    }

    /// Sends the answers that are ready, each to the peer whose datagram it answers. One that can't be sent costs no other
    /// client its answer; its own client asks again.
    pub fn flush(&mut self, socket: RawFd) {
        let Self { answers, peers, ready, trains, .. } = self;
        let places = ready.iter().filter_map(|at| Some((peers.get(*at)?, answers.get(*at)?)));
        let mut leaving: Vec<_> = places.map(|(peer, payload)| Ready { peer, payload }).collect();
        trains.send(socket, &mut leaving);
    }
}

fn address(peer: &libc::sockaddr_in) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from(u32::from_be(peer.sin_addr.s_addr)), u16::from_be(peer.sin_port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_batch_goes_through_and_an_answer_that_cannot_be_sent_costs_no_other() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap();
        let clients: Vec<_> = (0..5).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        for (client, number) in clients.iter().zip(0_u8..) {
            client.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
            client.send_to(&[number; 600], to).unwrap();
        }
        let mut many = Many::<512>::new(server.as_raw_fd());
        assert_eq!(many.receive(server.as_raw_fd()).unwrap(), 5);
        many.answer(5, |peer, bytes, out| {
            assert_eq!(bytes.len(), 512, "cut where the room ends");
            assert_eq!(
                peer,
                clients[usize::from(bytes[0])].local_addr().map(|a| a.to_string().parse().unwrap()).unwrap()
            );
            out.clear();
            // The second is too long for any datagram, the third gets none.
            out.resize(if bytes[0] == 1 { 70_000 } else { 3 }, bytes[0]);
            bytes[0] != 2
        });
        many.flush(server.as_raw_fd());
        for (client, number) in clients.iter().zip(0_u8..).filter(|(_, number)| ![1, 2].contains(number)) {
            let mut buffer = [9; 16];
            assert_eq!((client.recv(&mut buffer).unwrap(), buffer[0]), (3, number));
        }
        let empty = many.receive(server.as_raw_fd()).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
    }
}
