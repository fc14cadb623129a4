//! The TFTP server: requests, acknowledgements and everything else, in any order and from anywhere.

use crate::{MILLION, fuzz, stream};
use gatepost_core::tftp::{Action, Id, MAX_TRANSFERS, NotOpened, Tftp};
use gatepost_core::time::{Duration, Instant};
use std::collections::BTreeSet;
use std::net::SocketAddrV4;

/// Most packets after one input: a window for each transfer whose time is over.
const MAX_ACTIONS: usize = 64 * 40;

#[test]
fn tftp() {
    let requests: [&[u8]; 4] = [
        b"\0\x01kernel8.img\0octet\0",
        b"\0\x010a1b2c3d/start4.elf\0octet\0tsize\x000\0blksize\x001024\0",
        b"\0\x01/boot/x\0octet\0windowsize\x0016\0timeout\x002\0",
        b"\0\x04\0\x01",
    ];
    let words: [&[u8]; 6] = [b"\0", b"../", b"blksize\x008\0", b"windowsize\x0065535\0", b"octet\0", b"\0\x04\0\0"];
    let seeds = requests.iter().map(|seed| seed.to_vec()).collect();
    let stream = stream("tftp", seeds, 600).with_words(&words);
    let (mut server, mut now, mut open) = (Tftp::default(), Instant::from_secs(5), BTreeSet::<Id>::new());
    fuzz("tftp", 2 * MILLION, stream, |stream| {
        let (host, port) = (stream.below(20) as u8, stream.below(30) as u16);
        let id = Id(open.iter().nth(stream.below(70) as usize).map_or(u64::from(port), |id| id.0));
        match stream.below(8) {
            0 => now = now + Duration::from_millis(u64::from(stream.below(3000))),
            1..4 => server.handle_packet(id, &[0, 4, 0, stream.below(40) as u8], now),
            4 => server.handle_packet(id, stream.next_packet(), now),
            _ => server.handle_request(SocketAddrV4::new([10, 0, 0, host].into(), port), stream.next_packet(), now),
        }
        server.handle_timeout(now);
        assert!(server.poll_timeout().is_none_or(|due| due > now), "what is due is done");
        let (mut deep, mut count) = (false, 0);
        while let Some(action) = server.poll_action() {
            count += 1;
            assert!(count <= MAX_ACTIONS, "actions without end");
            match action {
                Action::Open { id, path, .. } => {
                    assert!(path.iter().all(|part| !part.is_empty() && !part.starts_with('.') && !part.contains('/')));
                    assert!(open.insert(id) && open.len() <= MAX_TRANSFERS);
                    let size = u64::from(stream.below(200_000));
                    server.handle_opened(id, if size < 9000 { Err(NotOpened::NotFound) } else { Ok(size) }, now);
                }
                Action::Close { id } => assert!(open.remove(&id), "closed once"),
                Action::Send { id, .. } => assert!(open.contains(&id)),
                Action::Data { id, offset, length, .. } => {
                    assert!(open.contains(&id) && offset + u64::from(length) <= 200_000);
                    deep = true;
                }
                Action::Refuse { packet, .. } => assert!(packet.len() < 64),
                Action::Note(line) => assert!(line.len() < 200),
            }
        }
        deep
    });
}
