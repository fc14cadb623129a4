//! Keeps the flood at what the gateway can just take. A flood that overflows the sockets' queues tests the kernel: most
//! of it would never be read.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// A sender waits while a queue has more bytes than this. All senders may find it just below and then add a batch each,
/// which the kernel's default limit of 208 KiB still takes.
const FULL: u64 = 16 * 1024;

/// Longest wait. The gateway reads some packets later than others: a sender that waits for ever would hide that.
const PATIENCE: Duration = Duration::from_secs(2);

/// The queues of the gateway's sockets.
#[derive(Clone, Copy)]
pub struct Gauge {
    /// The gateway process: `/proc` shows the sockets of its namespace.
    pub process: u32,
}

impl Gauge {
    /// Waits until the gateway has read most of what there is.
    pub fn wait(self) {
        let end = Instant::now() + PATIENCE;
        while self.fullest() > FULL && Instant::now() < end {
            thread::sleep(Duration::from_micros(200));
        }
    }

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
