//! The server against clients of our own, over a wire that loses, repeats and delays.

use super::*;
use crate::entropy::{Entropy, SeededEntropy};
use alloc::string::ToString;
use alloc::vec;
use proptest::prelude::*;

const START: Instant = Instant::from_secs(10);

fn client(host: u8, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new([10, 0, 0, host].into(), port)
}

fn request(name: &str, mode: &str, options: &[(&str, &str)]) -> Vec<u8> {
    let mut packet = vec![0, 1];
    for word in [name, mode].into_iter().chain(options.iter().flat_map(|(name, value)| [*name, *value])) {
        packet.extend_from_slice(word.as_bytes());
        packet.push(0);
    }
    packet
}

fn ack(block: u16) -> Vec<u8> {
    [&[0, 4][..], &block.to_be_bytes()].concat()
}

fn drain(server: &mut Tftp) -> Vec<Action> {
    core::iter::from_fn(|| server.poll_action()).filter(|action| !matches!(action, Action::Note(_))).collect()
}

/// Asks for `x` and opens it; what the client gets first.
fn open(server: &mut Tftp, from: SocketAddrV4, options: &[(&str, &str)], size: u64) -> (Id, Vec<Action>) {
    server.handle_request(from, &request("x", "octet", options), START);
    let Some(Action::Open { id, .. }) = drain(server).pop() else { panic!("not opened") };
    server.handle_opened(id, Ok(size), START);
    (id, drain(server))
}

fn refusal(packet: &[u8]) -> Option<u8> {
    let mut server = Tftp::default();
    server.handle_request(client(2, 1000), packet, START);
    match drain(&mut server).as_slice() {
        [Action::Refuse { packet, .. }] => Some(packet[3]),
        [] => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rfc1350_a_file_goes_block_by_block_and_ends_with_one_that_is_not_full() {
    let mut server = Tftp::default();
    let (id, first) = open(&mut server, client(2, 1000), &[], 1024);
    assert_eq!(first, [Action::Data { id, block: 1, offset: 0, length: 512 }]);
    server.handle_packet(id, &ack(1), START);
    assert_eq!(drain(&mut server), [Action::Data { id, block: 2, offset: 512, length: 512 }]);
    server.handle_packet(id, &ack(2), START);
    assert_eq!(drain(&mut server), [Action::Data { id, block: 3, offset: 1024, length: 0 }]);
    server.handle_packet(id, &ack(3), START);
    assert_eq!(drain(&mut server), [Action::Close { id }]);
    assert_eq!(server.poll_timeout(), None);
}

#[test]
fn rfc1350_nothing_is_written_and_only_octets_are_read() {
    assert_eq!(refusal(b"\0\x02x\0octet\0"), Some(2), "a write request");
    assert_eq!(refusal(&request("x", "netascii", &[])), Some(0));
    assert_eq!(refusal(&request("x", "mail", &[])), Some(0));
    let mut server = Tftp::default();
    server.handle_request(client(2, 1000), &request("x", "OcTeT", &[]), START);
    assert!(matches!(drain(&mut server).as_slice(), [Action::Open { .. }]));
}

#[test]
fn names_that_lead_out_of_the_folder_are_refused() {
    for name in ["../etc/passwd", "a/../../b", "/..", ".ssh/id", "a\\..\\b", "a/"] {
        assert_eq!(refusal(&request(name, "octet", &[])), Some(2), "{name}");
    }
}

#[test]
fn cve_2009_2957_long_names_odd_modes_and_cut_packets_do_nothing() {
    let long = "x".repeat(400);
    assert_eq!(refusal(&request(&long, "octet", &[])), Some(2));
    for packet in [
        &b""[..],
        b"\0",
        b"\0\x01",
        b"\0\x01x",
        b"\0\x01x\0",
        b"\0\x01x\0octet",
        b"\0\x01\0octet\0",
        b"\0\x04\0\x01",
        b"\0\x05\0\0\0",
    ] {
        let mut server = Tftp::default();
        server.handle_request(client(2, 1000), packet, START);
        assert_eq!(drain(&mut server), [], "{packet:?}");
    }
    assert_eq!(refusal(&request(&"x".repeat(2000), "octet", &[])), None, "longer than any request");
}

#[test]
fn rfc2347_options_are_agreed_to_in_the_order_of_the_request() {
    let agreed = |options: &[(&str, &str)]| {
        let mut server = Tftp::default();
        match open(&mut server, client(2, 1000), options, 70_000).1.as_slice() {
            [Action::Send { packet, .. }] => {
                assert_eq!(packet[..2], [0, 6]);
                String::from_utf8(packet[2..].to_vec()).unwrap().replace('\0', " ")
            }
            [Action::Data { .. }] => "data".into(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(agreed(&[("tsize", "0"), ("BLKSIZE", "1024")]), "tsize 70000 blksize 1024 ");
    assert_eq!(
        agreed(&[("blksize", "65464"), ("windowsize", "65535")]),
        "blksize 1468 windowsize 32 ",
        "less is allowed"
    );
    assert_eq!(agreed(&[("timeout", "3"), ("timeout", "4"), ("multicast", "")]), "timeout 3 ");
    for bad in [
        ("blksize", "7"),
        ("blksize", "65465"),
        ("blksize", "-1"),
        ("windowsize", "0"),
        ("timeout", "0"),
        ("timeout", "255"),
        ("utimeout", "9"),
    ] {
        assert_eq!(agreed(&[bad]), "data", "{bad:?}");
    }
}

#[test]
fn rfc1123_4_2_3_1_a_repeated_acknowledgement_sends_nothing() {
    let mut server = Tftp::default();
    let (id, _) = open(&mut server, client(2, 1000), &[], 5000);
    server.handle_packet(id, &ack(1), START);
    assert_eq!(drain(&mut server).len(), 1);
    for stale in [1, 1, 0, 3, 65535] {
        server.handle_packet(id, &ack(stale), START);
        assert_eq!(drain(&mut server), [], "{stale}");
    }
    server.handle_packet(id, &ack(2), START);
    assert_eq!(drain(&mut server), [Action::Data { id, block: 3, offset: 1024, length: 512 }]);
}

#[test]
fn rfc7440_a_window_goes_on_behind_the_last_block_that_came() {
    let mut server = Tftp::default();
    let (id, _) = open(&mut server, client(2, 1000), &[("windowsize", "4")], 10_000);
    let blocks = |server: &mut Tftp| -> Vec<u16> {
        drain(server)
            .iter()
            .filter_map(|action| if let Action::Data { block, .. } = action { Some(*block) } else { None })
            .collect()
    };
    server.handle_packet(id, &ack(0), START);
    assert_eq!(blocks(&mut server), [1, 2, 3, 4]);
    server.handle_packet(id, &ack(4), START);
    assert_eq!(blocks(&mut server), [5, 6, 7, 8]);
    server.handle_packet(id, &ack(6), START);
    assert_eq!(blocks(&mut server), [7, 8, 9, 10], "a gap behind block 6");
    server.handle_packet(id, &ack(6), START);
    assert_eq!(blocks(&mut server), [7, 8, 9, 10], "block 7 was lost");
    server.handle_packet(id, &ack(6), START);
    assert_eq!(blocks(&mut server), [], "once");
}

#[test]
fn a_false_address_gets_three_packets_and_no_more() {
    for options in [&[][..], &[("blksize", "1468"), ("windowsize", "32")]] {
        let mut server = Tftp::default();
        let (id, mut sent) = open(&mut server, client(2, 1000), options, 1 << 20);
        while server.transfers.contains_key(&id) {
            // Nor does asking again help.
            server.handle_request(client(2, 1000), &request("x", "octet", options), START);
            let Some(due) = server.poll_timeout() else { break };
            server.handle_timeout(due);
            sent.extend(drain(&mut server));
        }
        assert_eq!(sent.pop(), Some(Action::Close { id }));
        assert_eq!(sent.len(), usize::from(UNPROVEN_SENDS));
        for action in sent {
            match action {
                Action::Send { packet, .. } => assert!(packet.len() <= 64),
                Action::Data { length, .. } => assert!(length <= 512),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_client_that_was_there_is_given_up_after_half_a_minute() {
    let mut server = Tftp::default();
    let (id, _) = open(&mut server, client(2, 1000), &[("windowsize", "8")], 1 << 20);
    server.handle_packet(id, &ack(0), START);
    let (mut now, mut sent) = (START, drain(&mut server).len());
    while let Some(due) = server.poll_timeout() {
        (now, _) = (due, server.handle_timeout(due));
        sent += drain(&mut server).iter().filter(|action| matches!(action, Action::Data { .. })).count();
    }
    assert_eq!((now.since(START).as_secs(), sent), (31, 6 * 8));
}

#[test]
fn the_table_is_bounded_and_true_clients_keep_their_places() {
    let mut server = Tftp::default();
    // One client takes its share, and its oldest unanswered transfer makes room.
    for port in 0..20 {
        server.handle_request(client(2, 1000 + port), &request("x", "octet", &[]), START);
    }
    assert_eq!(server.transfers.len(), MAX_PER_CLIENT);
    assert_eq!(server.transfers.values().map(|one| one.client.port()).min(), Some(1012));
    drain(&mut server);
    // Sixty-four that have answered.
    let mut server = Tftp::default();
    for host in 10..10 + MAX_TRANSFERS as u8 {
        let (id, _) = open(&mut server, client(host, 1000), &[], 5000);
        server.handle_packet(id, &ack(1), START);
        drain(&mut server);
    }
    server.handle_request(client(200, 1), &request("x", "octet", &[]), START);
    assert_eq!((drain(&mut server), server.transfers.len()), (vec![], MAX_TRANSFERS));
}

#[test]
fn requests_beyond_the_second_share_get_no_answer() {
    let mut server = Tftp::default();
    let refusals = |server: &mut Tftp, now| {
        for _ in 0..2000 {
            server.handle_request(client(2, 1000), b"\0\x02x\0octet\0", now);
        }
        drain(server).len()
    };
    assert_eq!(refusals(&mut server, START), MAX_REQUESTS as usize);
    assert_eq!(refusals(&mut server, START + Duration::from_secs(1)), MAX_REQUESTS as usize);
}

#[test]
fn a_port_that_asks_for_another_file_has_given_up_the_first() {
    let mut server = Tftp::default();
    let (first, _) = open(&mut server, client(2, 1000), &[("tsize", "0")], 5000);
    server.handle_request(client(2, 1000), &request("y", "octet", &[]), START);
    let actions = drain(&mut server);
    assert!(matches!(actions.as_slice(), [Action::Close { id }, Action::Open { .. }] if *id == first), "{actions:?}");
}

#[test]
fn a_file_that_is_missing_is_said_on_the_transfers_own_port() {
    let mut server = Tftp::default();
    server.handle_request(client(2, 1000), &request("0a1b2c3d/start4.elf", "octet", &[]), START);
    let Some(Action::Open { id, path, .. }) = drain(&mut server).pop() else { panic!() };
    assert_eq!(path, ["0a1b2c3d", "start4.elf"]);
    server.handle_opened(id, Err(NotOpened::NotFound), START);
    let actions = drain(&mut server);
    assert!(
        matches!(actions.as_slice(), [Action::Send { packet, .. }, Action::Close { .. }] if packet[..4] == [0, 5, 0, 1])
    );
}

/// A client by the RFCs: takes blocks in order, acknowledges at the end of a window and at a gap, repeats itself.
struct Receiver {
    window: u64,
    block: u64,
    got: Vec<u64>,
    in_window: u64,
    done: bool,
    gap: bool,
}

impl Receiver {
    /// A block came; the acknowledgement, if one is due.
    fn take(&mut self, block: u16, offset: u64, length: u16) -> Option<u16> {
        let next = self.got.len() as u64 + 1;
        if block != (next & 0xffff) as u16 || self.done {
            let again = !self.gap;
            (self.gap, self.in_window) = (true, 0);
            return again.then_some(((next - 1) & 0xffff) as u16);
        }
        assert_eq!(offset, (next - 1) * self.block, "block {next} holds what belongs there");
        self.got.push(length.into());
        self.gap = false;
        self.in_window += 1;
        self.done = u64::from(length) < self.block;
        if self.done || self.in_window == self.window {
            self.in_window = 0;
            return Some(block);
        }
        None
    }
}

/// Runs one transfer over a bad wire; how many blocks were sent.
fn run(size: u64, block: u64, window: u64, loss: u32, seed: u64) -> usize {
    let mut dice = SeededEntropy::new(seed);
    let mut server = Tftp::default();
    let options = [("blksize", block.to_string()), ("windowsize", window.to_string())];
    let options = options.each_ref().map(|(name, value)| (*name, value.as_str()));
    let (id, _) = open(&mut server, client(2, 1000), &options, size);
    let mut receiver = Receiver { window, block, got: vec![], in_window: 0, done: false, gap: false };
    let (mut now, mut sent, mut last) = (START, 0, 0);
    let mut answers = VecDeque::from([0u16]);
    for _ in 0..200_000 {
        while let Some(answer) = answers.pop_front() {
            for _ in 0..1 + u32::from(dice.below(100) < loss / 2) {
                if dice.below(100) >= loss {
                    server.handle_packet(id, &ack(answer), now);
                }
            }
            last = answer;
        }
        let mut ended = false;
        for action in drain(&mut server) {
            match action {
                Action::Data { block, offset, length, .. } => {
                    sent += 1;
                    if dice.below(100) >= loss {
                        answers.extend(receiver.take(block, offset, length));
                    }
                }
                Action::Send { .. } if dice.below(100) >= loss => answers.push_back(0),
                Action::Close { .. } => ended = true,
                _ => {}
            }
        }
        if ended {
            break;
        }
        if answers.is_empty() {
            now = now + Duration::from_millis(700);
            server.handle_timeout(now);
            // The client's own clock.
            if dice.below(2) == 0 {
                answers.push_back(last);
            }
        }
    }
    assert!(receiver.done || loss > 0, "the whole file arrives on a good wire");
    if receiver.done {
        assert_eq!(receiver.got.iter().sum::<u64>(), size);
    }
    sent
}

#[test]
fn numbers_of_blocks_begin_anew_in_large_files() {
    // 70,000 blocks of eight bytes, and 200,000.
    assert_eq!(run(560_000, 8, 1, 0, 1), 70_001);
    assert_eq!(run(1_600_000, 8, 32, 0, 1), 200_001);
}

proptest! {
    #[test]
    fn files_arrive_whole_over_a_wire_that_loses(
        size in 0u64..100_000, block in 64u64..1468, window in 1u64..=32, loss in 0u32..25, seed: u64,
    ) {
        let blocks = (size / block + 1) as usize;
        let sent = run(size, block, window, loss, seed);
        // No storm: what is lost is sent again with its window, and not more.
        prop_assert!(sent <= blocks * (1 + 6 * window as usize), "{sent} of {blocks}");
        if loss == 0 {
            prop_assert_eq!(sent, blocks);
        }
    }

    #[test]
    fn any_bytes_do_no_harm(packets: Vec<Vec<u8>>, size: u64) {
        let mut server = Tftp::default();
        let (id, _) = open(&mut server, client(2, 1000), &[("windowsize", "9")], size);
        for packet in packets {
            server.handle_request(client(3, 7), &packet, START);
            server.handle_packet(id, &packet, START);
            prop_assert!(drain(&mut server).len() <= 40);
        }
    }
}
