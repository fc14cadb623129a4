//! Many DHCP clients at once from one socket; it remembers every lease that a server acknowledged.

use anyhow::{Result, bail, ensure};
use qemu::Vm;
use qemu::dhcp::{Answer, Kind, Mac, Question};
use qemu::frames::{FrameIo, PacketSocket};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// Clients that wait for an answer at the same time.
const WINDOW: usize = 16;

/// After this long a client asks again.
const RETRY: Duration = Duration::from_millis(500);

/// The longest pause between two looks at the guest.
const LOOK: Duration = Duration::from_millis(20);

/// The clients.
pub struct Storm {
    socket: PacketSocket,
    /// Every acknowledged lease.
    acked: BTreeMap<Mac, Ipv4Addr>,
    next: u32,
}

impl Storm {
    pub fn new(socket: PacketSocket) -> Self {
        Self { socket, acked: BTreeMap::new(), next: 1 }
    }

    /// How many leases were acknowledged.
    pub fn leases(&self) -> usize {
        self.acked.len()
    }

    /// Adds a lease that another client saw acknowledged.
    pub fn expect(&mut self, mac: Mac, address: Ipv4Addr) {
        self.acked.insert(mac, address);
    }

    /// Leases addresses to new clients, at most `most`, until the deadline. Clients above that number renew.
    pub fn rage(&mut self, deadline: Instant, most: usize) -> Result<()> {
        let mut waiting: BTreeMap<Mac, Instant> = BTreeMap::new();
        let mut started = 0;
        while Instant::now() < deadline {
            waiting.retain(|_, asked| asked.elapsed() < RETRY);
            while waiting.len() < WINDOW {
                let question = if started < most { self.newcomer() } else { self.renewal() };
                started += 1;
                waiting.insert(question.mac, Instant::now());
                self.socket.send(&question.frame())?;
            }
            if let Some(mac) = self.hear(deadline.min(Instant::now() + LOOK))? {
                waiting.remove(&mac);
            }
        }
        Ok(())
    }

    /// Waits until the server offers anything.
    pub fn wait_for_server(&mut self, vm: &mut Vm, timeout: Duration) -> Result<()> {
        let mut due = Instant::now();
        let known = self.leases();
        let mut question = self.newcomer();
        vm.until("a DHCP server on the LAN", timeout, |_| {
            if Instant::now() >= due {
                due = Instant::now() + RETRY;
                question.xid += 1;
                self.socket.send(&question.frame())?;
            }
            self.hear(Instant::now() + LOOK)?;
            Ok((self.leases() > known).then_some(()))
        })
    }

    /// Every acknowledged lease must still be held: a client that remembers it (INIT-REBOOT, RFC 2131 §4.3.2) gets an ACK,
    /// and one that makes up an address does not.
    pub fn verify(&mut self, vm: &mut Vm, timeout: Duration) -> Result<()> {
        let mut open = self.acked.clone();
        let mut due = Instant::now();
        let deadline = Instant::now() + timeout;
        while !open.is_empty() {
            vm.poll()?;
            if Instant::now() > deadline {
                let few: Vec<_> = open.iter().take(5).collect();
                bail!("{} of {} leases are lost, such as {few:?}", open.len(), self.leases());
            }
            if Instant::now() >= due {
                due = Instant::now() + RETRY;
                for (mac, address) in open.iter().take(4 * WINDOW) {
                    self.socket.send(&Question::reboot(*mac, xid(*mac), *address).frame())?;
                }
            }
            while let Some(frame) = self.socket.receive(Instant::now() + LOOK)? {
                let Some(answer) = Answer::read(&frame) else { continue };
                let Some(address) = open.get(&answer.mac) else { continue };
                ensure!(answer.kind != Kind::Nak, "{:02x?} asked for its lease {address} and was refused", answer.mac);
                if answer.kind == Kind::Ack {
                    ensure!(answer.address == *address, "{address} became {} after the restart", answer.address);
                    open.remove(&answer.mac);
                    if open.len().is_multiple_of(WINDOW) {
                        // The next ones may ask at once.
                        due = Instant::now();
                    }
                }
            }
        }
        self.nobody_else()
    }

    /// The probe must be able to fail: a stranger that claims a leased address gets no ACK.
    fn nobody_else(&mut self) -> Result<()> {
        let Some(address) = self.acked.values().next().copied() else { return Ok(()) };
        let stranger = [0x02, 0x66, 0, 0, 0, 1];
        self.socket.send(&Question::reboot(stranger, 1, address).frame())?;
        let deadline = Instant::now() + RETRY;
        while let Some(frame) = self.socket.receive(deadline)? {
            let answer = Answer::read(&frame).filter(|answer| answer.mac == stranger);
            ensure!(answer.is_none_or(|answer| answer.kind != Kind::Ack), "a stranger was given the leased {address}");
        }
        Ok(())
    }

    /// Takes one frame: an offer is accepted, an acknowledgement remembered. Tells whose question is settled.
    fn hear(&mut self, deadline: Instant) -> Result<Option<Mac>> {
        let Some(frame) = self.socket.receive(deadline)? else { return Ok(None) };
        let Some(answer) = Answer::read(&frame).filter(|answer| answer.mac[..2] == [0x02, 0x99]) else {
            return Ok(None);
        };
        match (answer.kind, answer.server) {
            (Kind::Offer, Some(server)) => {
                let request = Question::select(answer.mac, answer.xid, answer.address, server);
                self.socket.send(&request.frame())?;
                Ok(None)
            }
            (Kind::Ack, _) => {
                let twice = self.acked.iter().any(|(mac, held)| *held == answer.address && *mac != answer.mac);
                ensure!(!twice, "{} was acknowledged to two clients", answer.address);
                self.acked.insert(answer.mac, answer.address);
                Ok(Some(answer.mac))
            }
            _ => Ok(None),
        }
    }

    fn newcomer(&mut self) -> Question {
        let [_, _, a, b] = self.next.to_be_bytes();
        self.next += 1;
        let mac = [0x02, 0x99, 0, 0, a, b];
        Question::discover(mac, xid(mac))
    }

    /// Some known client asks for its lease again.
    fn renewal(&mut self) -> Question {
        self.next += 1;
        let count = self.acked.len().max(1);
        match self.acked.iter().nth(self.next as usize % count) {
            Some((mac, address)) => Question::reboot(*mac, xid(*mac), *address),
            None => self.newcomer(),
        }
    }
}

/// A transaction id that tells the client.
fn xid(mac: Mac) -> u32 {
    u32::from_be_bytes([mac[2] | 0x40, mac[3], mac[4], mac[5]])
}
