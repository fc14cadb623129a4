//! Keeps the flood at what the gateway can just take. A flood that overflows the sockets' queues tests the kernel: most
//! of it would never be read.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Senders wait while a queue has more bytes than this. Then each adds a batch, which the kernel's default limit of
/// 208 KiB still takes.
const FULL: u64 = 16 * 1024;

/// The queues of the gateway's sockets.
#[derive(Clone, Copy)]
pub struct Gauge {
    /// The gateway process: `/proc` shows the sockets of its namespace.
    pub process: u32,
}

/// Looks at the queues all the time. Only one thread does: the kernel takes half a millisecond to list its sockets.
pub struct Watch {
    pace: Pace,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Tells one sender when it may send the next batch.
#[derive(Clone)]
pub struct Pace {
    turns: Arc<AtomicU64>,
    last: u64,
}

impl Pace {
    /// Waits until the gateway has read most of what there is.
    pub fn wait(&mut self) {
        while self.turns.load(Ordering::Relaxed) == self.last {
            thread::sleep(Duration::from_micros(100));
        }
        self.last = self.turns.load(Ordering::Relaxed);
    }
}

impl Watch {
    /// Begins.
    pub fn start(gauge: Gauge) -> Self {
        let (turns, stop) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicBool::new(false)));
        let (counter, stopped) = (turns.clone(), stop.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                counter.fetch_add(u64::from(gauge.fullest() <= FULL), Ordering::Relaxed);
                thread::sleep(Duration::from_micros(200));
            }
        });
        Self { pace: Pace { turns, last: 0 }, stop, thread }
    }

    /// For a sender.
    pub fn pace(&self) -> Pace {
        self.pace.clone()
    }

    /// Ends it.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it went on until now");
    }
}

impl Gauge {
    /// Datagrams that the kernel has dropped so far because the gateway's DHCP or DNS socket was full.
    pub fn drops(self) -> u64 {
        self.udp_sockets().iter().filter_map(|fields| fields.last()?.parse::<u64>().ok()).sum()
    }

    /// Bytes in the fullest queue: columns `tx_queue:rx_queue` of UDP sockets and `Rmem` of packet sockets.
    fn fullest(self) -> u64 {
        let udp = self.udp_sockets();
        let udp = udp.iter().filter_map(|fields| u64::from_str_radix(fields[4].split_once(':')?.1, 16).ok());
        let packet = self.table("packet");
        let raw = packet.lines().filter_map(|line| line.split_whitespace().nth(6)?.parse().ok());
        udp.chain(raw).max().unwrap_or(0)
    }

    fn udp_sockets(self) -> Vec<Vec<String>> {
        let table = self.table("udp");
        let lines = table.lines().map(|line| line.split_whitespace().map(str::to_string).collect::<Vec<_>>());
        lines.filter(|fields| fields[1].ends_with(":0043") || fields[1].ends_with(":0035")).collect()
    }

    /// Empty when the gateway has ended, which the test finds out by itself.
    fn table(self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/net/{name}", self.process)).unwrap_or_default()
    }
}
