//! The least that answering DNS over UDP can cost: takes many packets by one system call, sends each back with one
//! record added, by another. `cargo xtask bench dns` measures servers in units of this.
//!
//! It looks nothing up and checks nothing; its answers have the octets of a real one with one address.

use std::mem::zeroed;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr::null_mut;

/// Packets a system call.
const BATCH: usize = 64;

/// Octets of a packet.
const SIZE: usize = 1500;

/// Name by pointer, A, IN, one day, 198.18.0.1.
const RECORD: [u8; 16] = [0xc0, 12, 0, 1, 0, 1, 0, 1, 0x51, 0x80, 0, 4, 198, 18, 0, 1];

fn main() {
    let address = std::env::args().nth(1).expect("an address with its port");
    let socket = UdpSocket::bind(address).expect("the address is free");
    let fd = socket.as_raw_fd();
    let mut buffers = vec![[0_u8; SIZE]; BATCH];
    // SAFETY: these are plain data of the kernel's interface, for which zeros are valid.
    let (mut names, mut slices, mut headers): (
        [libc::sockaddr_in; BATCH],
        [libc::iovec; BATCH],
        [libc::mmsghdr; BATCH],
    ) = unsafe { (zeroed(), zeroed(), zeroed()) };
    for at in 0..BATCH {
        slices[at].iov_base = buffers[at].as_mut_ptr().cast();
        headers[at].msg_hdr.msg_name = (&raw mut names[at]).cast();
        headers[at].msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
        headers[at].msg_hdr.msg_iov = &raw mut slices[at];
        headers[at].msg_hdr.msg_iovlen = 1;
    }
    loop {
        slices.iter_mut().for_each(|slice| slice.iov_len = SIZE);
        // SAFETY: every header points to a name, a slice and a buffer that live as long as the program.
        let received =
            unsafe { libc::recvmmsg(fd, headers.as_mut_ptr(), BATCH as u32, libc::MSG_WAITFORONE, null_mut()) };
        let received = usize::try_from(received).unwrap_or(0);
        for at in 0..received {
            let length = headers[at].msg_len as usize;
            let Some(rest) = buffers[at].get_mut(length..length + RECORD.len()) else { continue };
            rest.copy_from_slice(&RECORD);
            // A response with recursion, one answer.
            buffers[at][2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1]);
            slices[at].iov_len = length + RECORD.len();
        }
        let mut sent = 0;
        while sent < received {
            // SAFETY: as above; only the first `received` headers are used.
            let more = unsafe { libc::sendmmsg(fd, headers[sent..].as_mut_ptr(), (received - sent) as u32, 0) };
            sent += usize::try_from(more).unwrap_or(0).max(1);
        }
    }
}
