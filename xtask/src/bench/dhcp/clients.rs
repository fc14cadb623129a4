//! New clients behind one relay, many more of them in a second than perfdhcp can play: batches of messages by one system
//! call, no retries, no statistics of time. Each plays the exchange of four messages (RFC 2131 section 3.1) once.

use anyhow::{Result, ensure};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg, setsockopt, sockopt};
use nix::unistd::Pid;
use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

/// Messages of one system call.
const BATCH: usize = 64;

/// Octets of a message: the least that old clients send.
const MESSAGE: usize = 300;

/// Octets that the kernel keeps for us: none of what a server sends may be lost here.
const RECEIVE_BUFFER: usize = 8 << 20;

/// After the last exchange was begun, answers are waited for so long.
const LINGER: Duration = Duration::from_secs(1);

/// How long it is waited when nothing is due: how finely the rate is kept.
const TICK_MS: u8 = 1;

/// What is asked for: mask, router, name servers, host name, domain, broadcast address (as perfdhcp does).
const PARAMETERS: [u8; 8] = [55, 6, 1, 3, 6, 12, 15, 28];

/// What became of the clients.
pub struct Tally {
    /// Exchanges that were begun.
    pub begun: u64,
    /// Exchanges that ended with an acknowledgement.
    pub leases: u64,
    /// How long it took to begin them.
    pub spent: Duration,
}

/// Where relay and server are, and on which processor the clients run.
pub struct Place {
    /// The relay's address, on which answers come.
    pub relay: Ipv4Addr,
    /// The server's address.
    pub server: Ipv4Addr,
    /// The processor.
    pub core: usize,
}

/// The relay with all clients behind it.
struct Clients {
    socket: UdpSocket,
    outbox: Vec<[u8; MESSAGE]>,
    /// For each exchange, by its number, whether it is done.
    done: Vec<bool>,
    relay: Ipv4Addr,
    leases: u64,
}

/// Lets `count` new clients come at `rate` a second. To be called in the clients' namespace, on a thread of its own.
pub fn run(place: &Place, rate: u32, count: usize) -> Result<Tally> {
    let mut cores = CpuSet::new();
    cores.set(place.core)?;
    sched_setaffinity(Pid::from_raw(0), &cores)?;
    let socket = UdpSocket::bind(SocketAddrV4::new(place.relay, 67))?;
    socket.connect(SocketAddrV4::new(place.server, 67))?;
    socket.set_nonblocking(true)?;
    setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER)?;
    let mut clients = Clients { socket, outbox: Vec::new(), done: vec![false; count], relay: place.relay, leases: 0 };
    let (start, mut begun, mut spent) = (Instant::now(), 0_usize, Duration::ZERO);
    loop {
        let now = start.elapsed();
        let due = ((now.as_secs_f64() * f64::from(rate)) as usize).min(count);
        for number in begun..due {
            let message = clients.message(number, 1, &[]);
            clients.outbox.push(message);
        }
        if due > begun && due == count {
            spent = now;
        }
        begun = due;
        clients.send()?;
        let heard = clients.receive()?;
        let all = clients.leases == count as u64;
        if all || begun == count && now > spent + LINGER {
            return Ok(Tally { begun: begun as u64, leases: clients.leases, spent });
        }
        if !heard {
            poll(&mut [PollFd::new(clients.socket.as_fd(), PollFlags::POLLIN)], TICK_MS)?;
        }
    }
}

impl Clients {
    /// A client's message of a kind (RFC 2132 section 9.6), relayed.
    fn message(&self, number: usize, kind: u8, options: &[u8]) -> [u8; MESSAGE] {
        let mut message = [0; MESSAGE];
        let number = (number as u32).to_be_bytes();
        let mut put = |at: usize, octets: &[u8]| message[at..at + octets.len()].copy_from_slice(octets);
        // BOOTREQUEST over Ethernet, one hop; xid, giaddr, chaddr.
        put(0, &[1, 1, 6, 1]);
        put(4, &number);
        put(24, &self.relay.octets());
        put(28, &[2, 0]);
        put(30, &number);
        put(236, &[99, 130, 83, 99, 53, 1, kind]);
        put(243, options);
        put(243 + options.len(), &PARAMETERS);
        put(243 + options.len() + PARAMETERS.len(), &[255]);
        message
    }

    fn send(&mut self) -> Result<()> {
        for batch in self.outbox.chunks(BATCH) {
            let mut rest = batch;
            while !rest.is_empty() {
                let slices: Vec<_> = rest.iter().map(|message| [IoSlice::new(message)]).collect();
                let mut headers = MultiHeaders::<SockaddrIn>::preallocate(rest.len(), None);
                let nowhere = vec![None; rest.len()];
                let flags = MsgFlags::empty();
                match sendmmsg(self.socket.as_raw_fd(), &mut headers, &slices, nowhere, [], flags) {
                    Ok(sent) => rest = &rest[sent.count()..],
                    // No server yet, or its queue is full: such a message is lost, as on a wire.
                    Err(Errno::ECONNREFUSED | Errno::EAGAIN | Errno::ENOBUFS) => rest = &rest[1..],
                    Err(error) => return Err(error.into()),
                }
            }
        }
        self.outbox.clear();
        Ok(())
    }

    /// Takes in what came, at most a batch. Whether there was something.
    fn receive(&mut self) -> Result<bool> {
        let mut buffers = [[0; 600]; BATCH];
        let mut slices: Vec<_> = buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let mut headers = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
        let received = recvmmsg(self.socket.as_raw_fd(), &mut headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None);
        let lengths: Vec<_> = match received {
            Ok(received) => received.map(|message| message.bytes).collect(),
            Err(Errno::EAGAIN | Errno::ECONNREFUSED) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        for (buffer, length) in buffers.iter().zip(&lengths) {
            self.take(&buffer[..*length])?;
        }
        Ok(!lengths.is_empty())
    }

    fn take(&mut self, message: &[u8]) -> Result<()> {
        ensure!(message.len() > 240, "an answer of {} octets", message.len());
        let number = u32::from_be_bytes([message[4], message[5], message[6], message[7]]) as usize;
        let (address, options) = (&message[16..20], &message[240..]);
        match (option(options, 53), option(options, 54), self.done.get_mut(number)) {
            (Some([2]), Some(server), Some(false)) => {
                let asked = [&[50, 4], address, &[54, 4], server].concat();
                let request = self.message(number, 3, &asked);
                self.outbox.push(request);
            }
            (Some([5]), _, Some(done)) => self.leases += u64::from(!std::mem::replace(done, true)),
            // A refusal, or an answer to an earlier trial's client.
            _ => {}
        }
        Ok(())
    }
}

/// An option's value.
fn option(options: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut rest = options;
    loop {
        match *rest {
            [0, ref more @ ..] => rest = more,
            [code, length, ref more @ ..] if code != 255 => {
                let (value, more) = more.split_at_checked(usize::from(length))?;
                if code == wanted {
                    return Some(value);
                }
                rest = more;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_and_cut_ones_are_not() {
        let options = [0, 53, 1, 2, 54, 4, 10, 0, 0, 1, 51, 9, 0, 255];
        assert_eq!(option(&options, 53), Some(&[2][..]));
        assert_eq!(option(&options, 54), Some(&[10, 0, 0, 1][..]));
        assert_eq!(option(&options, 51), None);
        assert_eq!(option(&[255, 53, 1, 2], 53), None);
    }
}
