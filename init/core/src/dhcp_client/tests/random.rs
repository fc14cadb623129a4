//! Properties: no bytes panic, and whatever happens, the client never forgets to wake up.

use super::*;
use crate::dhcp_client::message::read;
use crate::entropy::Entropy;
use proptest::prelude::*;

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
        let _ = read(&bytes, MAC);
        let _ = record::unpack(&bytes, MAC, WallTime(0));
        let mut lab = Lab::selecting();
        lab.receive(&bytes);
    }

    /// A sound header with arbitrary options reaches every option decoder.
    #[test]
    fn arbitrary_options_never_panic(options in proptest::collection::vec(any::<u8>(), 0..600), overload in 0..4u8) {
        let mut bytes = message(1, OURS, &[(53, &[ACK]), (54, &SERVER), (51, &[0, 0, 1, 0]), (52, &[overload])]);
        bytes.pop();
        bytes.extend_from_slice(&options);
        let _ = read(&bytes, MAC);
    }

    #[test]
    fn arbitrary_option_data_never_panics(code in any::<u8>(), data in proptest::collection::vec(any::<u8>(), 0..255)) {
        let _ = read(&message(1, OURS, &[(53, &[ACK]), (54, &SERVER), (51, &[0, 0, 1, 0]), (code, &data)]), MAC);
    }

    #[test]
    fn one_changed_byte_never_panics(at in 0..280usize, byte in any::<u8>()) {
        let mut bytes = grant(ACK, 1, OURS, SERVER, HOUR);
        if let Some(slot) = bytes.get_mut(at) {
            *slot = byte;
        }
        let _ = read(&bytes, MAC);
    }
}

/// What the shell sees must make sense in whatever order things happen.
#[derive(Default)]
struct Shell {
    up: bool,
    bound: Option<Ipv4Addr>,
    sent_at: Vec<Instant>,
}

impl Shell {
    fn drain(&mut self, lab: &mut Lab) {
        while let Some(action) = lab.client.poll_action() {
            match action {
                Action::Broadcast { payload, .. } => {
                    self.sent_at.push(lab.now);
                    lab.last = Some(Sent { bytes: payload });
                }
                Action::Unicast { payload, source, .. } => {
                    assert_eq!(Some(source), self.bound, "only an address in use sends");
                    self.sent_at.push(lab.now);
                    lab.last = Some(Sent { bytes: payload });
                }
                Action::Bound(lease) => self.bound = Some(lease.address.address()),
                Action::Lost { address, .. } => assert_eq!(self.bound.take(), Some(address), "lost what was bound"),
                Action::Probe(_) | Action::Remember(_) | Action::Forget => {}
            }
        }
        assert_eq!(self.bound, lab.client.lease().map(|lease| lease.address.address()));
        let infinite = lab.client.lease().is_some_and(|lease| lease.terms == Terms::Infinite);
        assert!(lab.client.poll_timeout().is_some() || !self.up || infinite, "{}", lab.client.doing());
    }
}

/// One thing that may happen, at random.
fn happen(lab: &mut Lab, shell: &mut Shell, dice: &mut SeededEntropy) {
    let xid = lab.last.as_ref().map_or(0, Sent::xid);
    let yours = [192, 168, 0, 50 + (dice.below(3) as u8)];
    let server = if dice.below(4) == 0 { OTHER_SERVER } else { SERVER };
    let seconds = [2, 60, 120, HOUR, 86_400][dice.below(5) as usize];
    let now = lab.now;
    match dice.below(12) {
        0..4 => {
            if let Some(next) = lab.client.poll_timeout() {
                lab.now = now.max(next);
            }
            lab.client.handle_timeout(lab.now, &mut lab.entropy);
        }
        4 => lab.client.handle_packet(&grant(OFFER, xid, yours, server, seconds), now, &mut lab.entropy),
        5 | 6 => lab.client.handle_packet(&grant(ACK, xid, yours, server, seconds), now, &mut lab.entropy),
        7 if dice.below(3) == 0 => lab.client.handle_packet(&nak(xid, server), now, &mut lab.entropy),
        7 | 8 => lab.client.handle_probe_done(now, &mut lab.entropy),
        9 if dice.below(3) == 0 => lab.client.handle_conflict(now, &mut lab.entropy),
        9 | 10 => {
            lab.now = now + Duration::from_millis(u64::from(dice.below(100_000)));
            lab.client.handle_timeout(lab.now, &mut lab.entropy);
        }
        _ => {
            shell.up = dice.below(4) != 0;
            lab.client.handle_link(shell.up, now, &mut lab.entropy);
        }
    }
}

/// Ten thousand random events: a timer is always set, what is lost was bound, and the network is not flooded.
#[test]
fn a_random_life() {
    for seed in 0..5 {
        let (mut lab, mut shell, mut dice) = (Lab::new(), Shell::default(), SeededEntropy::new(seed));
        for _ in 0..10_000 {
            happen(&mut lab, &mut shell, &mut dice);
            shell.drain(&mut lab);
        }
        let minutes = lab.now.since(Instant::from_secs(0)).as_secs() / 60;
        assert!(shell.sent_at.len() as u64 > 500, "seed {seed}: it must have lived");
        assert!((shell.sent_at.len() as u64) < 60 * minutes, "seed {seed}: {} in {minutes} min", shell.sent_at.len());
    }
}

/// Left alone on a dead network for a month, it stays awake and polite.
#[test]
fn a_lonely_month() {
    let mut lab = Lab::new();
    lab.link(true);
    let mut sent = 0;
    while lab.now < Instant::from_secs(30 * 86_400) {
        sent += lab.wait().1.len();
    }
    assert!((40_000..42_000).contains(&sent), "one DISCOVER about every 64 s: {sent}");
}
