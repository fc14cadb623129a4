//! The gateway process is killed in the middle of traffic: nobody on the LAN should notice.

use crate::bed::{Bed, Plan, SOON, test};
use crate::names::ask;
use crate::storm::Storm;
use anyhow::{Context, Result, bail, ensure};
use qemu::Machine;
use qemu::lab::{Client, uplink};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The gateway's LAN address.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// What the issue allows between the kill and the next answer.
const BACK: Duration = Duration::from_secs(1);

/// Bytes that a transfer must move before and after the kill, about a second's worth.
const ENOUGH: u64 = 100_000;

#[test]
fn virt_survives_the_death_of_the_gateway_process() {
    let mut plan = Plan::new(Machine::Virt);
    // Magic SysRq “i” kills every process but PID 1, and there is no shell on the card to do it with.
    plan.append = "sysrq_always_enabled".into();
    test("virt_survives_the_death_of_the_gateway_process", plan, kill_during_a_transfer);
}

fn kill_during_a_transfer(bed: &mut Bed) -> Result<()> {
    let (alice, lease, _runs) = bed.leased("alice")?;
    bed.uplink_address()?;
    bed.eventually(&alice, &["dig", "+short", "+time=3", "+tries=1", uplink::NAME])?;
    let transfer = Transfer::start(&alice)?;
    bed.vm.until("a transfer under way", SOON, |_| transfer.moved(ENOUGH))?;

    let mark = bed.vm.console().mark();
    bed.vm.qmp()?.send_break()?;
    bed.vm.console().send(b"i")?;
    bed.vm.wait_for("Kill All Tasks", mark, SOON)?;
    let killed = Instant::now();
    let before = transfer.bytes.load(Ordering::Relaxed);

    let back = alice.namespace().run(|| answer_after(killed))?;
    ensure!(back <= BACK, "names were away for {} ms", back.as_millis());
    bed.vm.until("the transfer to go on", SOON, |_| transfer.moved(before + ENOUGH))?;
    let mut storm = Storm::new(alice.packet_socket()?);
    storm.expect(alice.mac(), lease.address);
    storm.verify(&mut bed.vm, SOON)?;
    ensure!(bed.vm.starts().len() == 1, "the whole guest started again");
    Ok(())
}

/// Asks every few milliseconds; tells how long after `killed` the first answer came.
fn answer_after(killed: Instant) -> Result<Duration> {
    for id in 1.. {
        if ask(GATEWAY, "rpi1", id, Duration::from_millis(50)) == Some(GATEWAY) {
            return Ok(killed.elapsed());
        }
        if killed.elapsed() > SOON {
            break;
        }
        // A port that nobody listens on refuses at once; do not spin on it.
        thread::sleep(Duration::from_millis(5));
    }
    bail!("no name was answered within {} s of the kill", SOON.as_secs())
}

/// A long download on a client, whose bytes are checked as they come.
struct Transfer {
    bytes: Arc<AtomicU64>,
    thread: JoinHandle<Result<()>>,
}

impl Transfer {
    fn start(client: &Client) -> Result<Self> {
        let mut stream = client.namespace().run(|| Ok(TcpStream::connect_timeout(&(uplink::WEB, 80).into(), SOON)?))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"GET /stream HTTP/1.0\r\n\r\n")?;
        let bytes = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&bytes);
        let thread = thread::spawn(move || {
            skip_header(&mut stream)?;
            let mut piece = [0; 1024];
            // It goes on until the server stops; that the pieces are whole shows that no byte was lost.
            while stream.read_exact(&mut piece).is_ok() {
                let whole = piece.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at % 251);
                ensure!(whole, "the stream has a hole");
                counter.fetch_add(piece.len() as u64, Ordering::Relaxed);
            }
            bail!("the transfer broke off")
        });
        Ok(Self { bytes, thread })
    }

    /// Whether so many bytes came; an error if the transfer ended.
    fn moved(&self, wanted: u64) -> Result<Option<()>> {
        ensure!(
            !self.thread.is_finished(),
            "the transfer broke off after {} bytes",
            self.bytes.load(Ordering::Relaxed)
        );
        Ok((self.bytes.load(Ordering::Relaxed) >= wanted).then_some(()))
    }
}

fn skip_header(stream: &mut TcpStream) -> Result<()> {
    let mut last = [0; 4];
    while last != *b"\r\n\r\n" {
        last.rotate_left(1);
        stream.read_exact(&mut last[3..]).context("the web server's header")?;
    }
    Ok(())
}
