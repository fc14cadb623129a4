//! DNS messages (RFC 1035), byte by byte.

use tests::mutate::Mutator;

/// Names of the outside world that are asked for. More than the cache of the targets holds.
const NAMES: u32 = 700;

/// Types that are asked for.
const TYPES: [u16; 14] = [1, 1, 1, 28, 12, 15, 16, 33, 5, 2, 6, 65, 43, 255];

/// A query that a client might send.
pub fn query(stream: &mut Mutator) -> Vec<u8> {
    let number = stream.below(NAMES);
    let name = match stream.below(16) {
        0 => "gatepost.home.arpa".into(),
        1 => "rpi2".into(),
        2 => "2.0.0.10.in-addr.arpa".into(),
        3 => "nobody.home.arpa".into(),
        4 => "printer.local".into(),
        5 => format!("{number}.1.168.192.in-addr.arpa"),
        6 => format!("a-{number}.{}.Example.COM", "x".repeat(number as usize % 64)),
        _ => format!("w{number}.example.com"),
    };
    let id = stream.below(1 << 16) as u16;
    let flags = stream.pick(&[0x0100, 0x0100, 0x0100, 0x0110, 0x0000]);
    let mut message = Vec::with_capacity(128);
    for word in [id, flags, 1, 0, 0, 0] {
        message.extend(word.to_be_bytes());
    }
    put_name(&mut message, &name);
    message.extend(stream.pick(&TYPES).to_be_bytes());
    message.extend([0, 1]);
    match stream.below(4) {
        0 => put_opt(&mut message, 1232, 0, &[]),
        // With the DO bit, a cookie and padding.
        1 => put_opt(&mut message, 4096, 0x8000, &[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 12, 0, 2, 0, 0]),
        _ => {}
    }
    message
}

fn put_name(message: &mut Vec<u8>, name: &str) {
    for label in name.split('.').filter(|label| !label.is_empty()) {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.push(0);
}

fn put_opt(message: &mut Vec<u8>, size: u16, ttl: u32, options: &[u8]) {
    message.extend([0, 0, 41]);
    message.extend(size.to_be_bytes());
    message.extend(ttl.to_be_bytes());
    message.extend((options.len() as u16).to_be_bytes());
    message.extend(options);
    message[11] += 1;
}

/// Header and question of a message with one question, in bytes.
pub fn head_length(message: &[u8]) -> usize {
    let mut at = 12;
    while let Some(length) = message.get(at).filter(|length| **length != 0) {
        at += 1 + usize::from(*length);
    }
    (at + 5).min(message.len())
}

/// What a server might answer to the forwarder's query `asked`.
pub fn reply(stream: &mut Mutator, asked: &[u8]) -> Vec<u8> {
    let head = head_length(asked);
    let mut reply = asked[..head].to_vec();
    reply[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0]);
    let kind = u16::from_be_bytes([reply[head - 4], reply[head - 3]]);
    let ttl = stream.pick(&[0, 1, 60, 300, 86_400, 0x8000_0000]);
    match stream.below(16) {
        0 => reply[2] |= 2,
        1 => reply[3] |= stream.pick(&[1, 2, 4, 5, 9]),
        2 => {
            reply[3] |= 3;
            soa(&mut reply, ttl);
        }
        3 => soa(&mut reply, ttl),
        4 => {
            let name = stream.pick(&["cdn.example.net", "w1.example.com"]);
            alias(&mut reply, name, kind, ttl);
        }
        5 => signed(&mut reply, kind, ttl),
        6 => many(&mut reply, kind, ttl, 1 + stream.below(60)),
        7 => reply.truncate(12),
        8 => long(&mut reply, ttl),
        _ => record(&mut reply, 7, &[0xc0, 12], kind, ttl, &data(kind)),
    }
    if stream.one_in(2) {
        put_opt(&mut reply, 1232, u32::from(stream.one_in(16)) << 24, &[]);
    }
    reply
}

/// Adds a record; `count` is the place of its section's count in the header.
fn record(message: &mut Vec<u8>, count: usize, owner: &[u8], kind: u16, ttl: u32, data: &[u8]) {
    message.extend(owner);
    message.extend(kind.to_be_bytes());
    message.extend([0, 1]);
    message.extend(ttl.to_be_bytes());
    message.extend((data.len() as u16).to_be_bytes());
    message.extend(data);
    message[count] = message[count].wrapping_add(1);
}

/// Data that fits the type, with names that point to the question.
fn data(kind: u16) -> Vec<u8> {
    match kind {
        1 => vec![198, 51, 100, 7],
        28 => vec![0x20; 16],
        2 | 5 | 12 | 39 => b"\x03one\xc0\x0c".to_vec(),
        15 => b"\0\x0a\x04mail\xc0\x0c".to_vec(),
        33 => b"\0\x01\0\x02\0\x50\x03srv\x07example\0".to_vec(),
        35 => b"\0\x01\0\x02\x01s\x03SIP\0\x03sip\0".to_vec(),
        6 => soa_data(60),
        _ => b"\x05hello\x05world".to_vec(),
    }
}

fn soa_data(minimum: u32) -> Vec<u8> {
    let mut data = b"\x02ns\xc0\x0c\x04root\xc0\x0c\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04".to_vec();
    data.extend(minimum.to_be_bytes());
    data
}

/// A negative answer's SOA, owned by the question's parent.
fn soa(reply: &mut Vec<u8>, ttl: u32) {
    let parent = 13 + reply[12];
    record(reply, 9, &[0xc0, parent], 6, ttl, &soa_data(30));
}

/// A chain of CNAMEs and what stands at its end.
fn alias(reply: &mut Vec<u8>, name: &str, kind: u16, ttl: u32) {
    let mut target = Vec::new();
    put_name(&mut target, name);
    record(reply, 7, &[0xc0, 12], 5, ttl, &target);
    let mut other = Vec::new();
    put_name(&mut other, "end.example.org");
    record(reply, 7, &target, 5, ttl, &other);
    record(reply, 7, &other, kind, ttl, &data(kind));
}

/// An answer with signatures and proofs (RFC 4034).
fn signed(reply: &mut Vec<u8>, kind: u16, ttl: u32) {
    record(reply, 7, &[0xc0, 12], kind, ttl, &data(kind));
    let parent = 13 + reply[12];
    let mut signature = [&kind.to_be_bytes()[..], &[8, 2], &[0; 14]].concat();
    signature.extend(b"\x07example\x03com\0");
    signature.extend([7; 32]);
    record(reply, 7, &[0xc0, 12], 46, ttl, &signature);
    record(reply, 9, &[0xc0, parent], 47, ttl, b"\x01z\x07example\x03com\0\0\x01\x40");
    record(reply, 9, &[0xc0, parent], 46, ttl, &signature);
}

fn many(reply: &mut Vec<u8>, kind: u16, ttl: u32, count: u32) {
    for _ in 0..count {
        record(reply, 7, &[0xc0, 12], kind, ttl, &data(kind));
    }
}

/// Text that does not fit a datagram.
fn long(reply: &mut Vec<u8>, ttl: u32) {
    for _ in 0..6 {
        record(reply, 7, &[0xc0, 12], 16, ttl, &[[255].as_slice(), &[b'x'; 255]].concat());
    }
}
