//! The packet filter, put in force through nf_tables (a netlink socket of family `NETLINK_NETFILTER`).
//!
//! nf_tables does its work inside `sendto`: when that returns, the verdict on every message waits in the socket. One
//! message asks for an acknowledgement; errors come unasked, each with the sequence number of the message at fault.

use anyhow::{Context, Result, anyhow, bail};
use gatepost_core::plan::Filter;
use gatepost_core::ruleset::{self, Batch};
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use std::io;
use std::time::{Duration, Instant};

/// The verdict is there before we ask for it; this is for a kernel that is not what it should be.
const DEADLINE: Duration = Duration::from_secs(2);
/// `NLMSG_ERROR`: type of a message that holds an error number, 0 for an acknowledgement.
const NLMSG_ERROR: u16 = 2;
/// `struct nlmsghdr` in bytes.
const HEADER_LEN: usize = 16;

/// The kernel's answer to one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Verdict {
    seq: u32,
    /// 0: done. Else a positive error number.
    errno: i32,
}

/// Replaces our table, with a flowtable where both interfaces exist and the kernel has it, else without; says which.
/// On an error the table is as it was before.
pub fn install(filter: &Filter) -> Result<bool> {
    // A kernel without flowtables and a device that has just gone give the same error (ENOENT, seen on 6.12), so the
    // refusal is not remembered: filters are installed at the start and when a device was plugged in, no more often.
    if filter.fast_path.is_some() && send(&encode(filter, true)).is_ok() {
        return Ok(true);
    }
    send(&encode(filter, false))?;
    Ok(false)
}

fn encode(filter: &Filter, flowtable: bool) -> Batch {
    let inputs = ruleset::Inputs {
        lan_interface: &filter.lan_interface,
        lan: filter.lan,
        uplink_interface: filter.uplink_interface.as_deref(),
        flowtable,
        near: &filter.near,
        far_private: filter.far_private,
        connections_per_host: filter.connections_per_host,
        lan_udp: &filter.lan_udp,
        allows: &filter.allows,
        forwards: &filter.forwards,
        blocks: &filter.blocks,
    };
    // Each batch has a socket of its own: sequence numbers need not differ from one to the next.
    ruleset::encode(&ruleset::build(&inputs), 1)
}

fn send(batch: &Batch) -> Result<()> {
    let mut socket = Socket::new(NETLINK_NETFILTER).context("open a netfilter socket")?;
    socket.bind_auto().context("bind a netfilter socket")?;
    socket.set_non_blocking(true).context("make a netfilter socket non-blocking")?;
    // Without a copy of the message at fault in each error, 60 errors fit into any receive buffer. Old kernels send it.
    let _ = socket.set_cap_ack(true);
    let kernel = SocketAddr::new(0, 0);
    socket.send_to(&batch.bytes, &kernel, 0).context("send the rules to the kernel")?;

    let deadline = Instant::now() + DEADLINE;
    let mut acknowledged = false;
    let mut buffer = [0; 8192];
    loop {
        let length = match socket.recv_from(&mut &mut buffer[..], 0) {
            Ok((length, sender)) if sender.port_number() == 0 => length,
            Ok(_) => continue,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // All verdicts have been read.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && acknowledged => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => bail!("the kernel does not answer"),
            Err(error) => return Err(error).context("read the kernel's verdict"),
        };
        for verdict in verdicts(buffer.get(..length).unwrap_or(&buffer)) {
            if verdict.errno != 0 {
                let rule = batch.describe(verdict.seq).unwrap_or("unknown message");
                return Err(anyhow!(io::Error::from_raw_os_error(verdict.errno)).context(format!("refused: {rule}")));
            }
            acknowledged |= verdict.seq == batch.acknowledged_seq();
        }
    }
}

/// The errors and acknowledgements in a datagram: `struct nlmsghdr`, then the negative error number.
fn verdicts(mut datagram: &[u8]) -> Vec<Verdict> {
    let mut found = Vec::new();
    while let Some((header, body)) = datagram.split_at_checked(HEADER_LEN) {
        let word = |at: usize| header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes);
        let (Some(length), Some(kind), Some(seq)) = (word(0), word(4), word(8)) else { break };
        let errno = body.first_chunk::<4>().map(|bytes| i32::from_ne_bytes(*bytes));
        // Type and flags share the second word.
        let kind = kind.to_ne_bytes();
        if let (NLMSG_ERROR, Some(errno)) = (u16::from_ne_bytes([kind[0], kind[1]]), errno) {
            found.push(Verdict { seq, errno: errno.saturating_neg() });
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX).max(HEADER_LEN);
        let Some(next) = length.checked_next_multiple_of(4) else { break };
        datagram = datagram.get(next..).unwrap_or_default();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_read_from_any_bytes() {
        let mut bytes = Vec::new();
        for (seq, errno) in [(7u32, 0i32), (9, -libc::EEXIST)] {
            bytes.extend(36u32.to_ne_bytes());
            bytes.extend(NLMSG_ERROR.to_ne_bytes());
            bytes.extend([0, 0]);
            bytes.extend(seq.to_ne_bytes());
            bytes.extend([0; 4]);
            bytes.extend(errno.to_ne_bytes());
            bytes.extend([0; 16]);
        }
        let both = [Verdict { seq: 7, errno: 0 }, Verdict { seq: 9, errno: libc::EEXIST }];
        assert_eq!(verdicts(&bytes), both);
        for cut in 0..bytes.len() {
            assert!(verdicts(&bytes[..cut]).len() <= 2);
        }
        assert_eq!(verdicts(&[0; 64]), [], "a length of zero does not loop");
        assert_eq!(verdicts(&[0xff; 64]), []);
    }
}
