//! What goes wrong in the household, and how often.

use super::world::{Event, World};
use tests::kernel::Kernel;

/// How much goes wrong. Each is once in so many times; zero is never.
#[derive(Clone, Copy)]
pub struct Trouble {
    /// Of each message: lost, doubled.
    pub loses: u32,
    pub doubles: u32,
    /// Of each write: it fails, the process dies beside it, the power is cut beside it.
    pub disk_fails: u32,
    pub dies_at_write: u32,
    pub power_cut_at_write: u32,
    /// Of each change of the kernel's state.
    pub kernel_refuses: u32,
    /// Of the other events, as far as they would end the process.
    pub dies: u32,
    /// Mean time between other events in milliseconds: cables, clock steps, another uplink; zero for none.
    pub event_ms: u64,
    /// Mean time between two questions.
    pub question_ms: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Doom {
    Process,
    Machine,
}

/// What happened how often: proof that each thing was reached.
#[derive(Default, Debug)]
pub struct Tally {
    pub acks: u64,
    pub naks: u64,
    pub releases: u64,
    pub uplink_leases: u64,
    pub process_deaths: u64,
    pub power_cuts: u64,
    pub disk_failures: u64,
    pub clock_steps: u64,
    pub moves: u64,
}

impl World {
    pub(super) fn make_trouble(&mut self) {
        let pause = self.dice.between(1, 2 * self.trouble.event_ms);
        self.schedule(self.real + pause, Event::Trouble);
        match self.dice.below(8) {
            0 => {
                // The network, or a person, sets the clock.
                self.tally.clock_steps += 1;
                self.wall_ahead += self.dice.between(0, 2_000_000) as i64 - 1_000_000;
            }
            1 => {
                self.tally.moves += 1;
                self.household.move_house(&mut self.dice);
                self.flip_cable("eth1");
            }
            2 => self.flip_cable("eth0"),
            3 => self.server_silent_until = self.real + self.dice.between(1000, 20_000),
            4 if self.dice.one_in(self.trouble.dies) => self.doom = Some(Doom::Process),
            _ => self.look_twice(),
        }
    }

    /// A cable is pulled or put in.
    fn flip_cable(&mut self, name: &str) {
        for link in self.kernel.0.links.iter_mut().filter(|link| link.name == name) {
            link.carrier = !link.carrier;
        }
        self.look();
    }

    /// Invariant 5: what is as it should be is left alone.
    fn look_twice(&mut self) {
        self.look();
        self.act();
        if !self.applying {
            self.look();
            self.act();
            assert!(!self.applying, "invariant 5: nothing had changed, and yet something is to be done");
        }
    }

    /// The process dies, or the machine loses its power.
    pub(super) fn end_if_doomed(&mut self) {
        let Some(doom) = self.doom.take().filter(|_| self.gateway.is_some()) else { return };
        self.gateway = None;
        (self.serving, self.applying) = (false, false);
        self.disk.cut(&mut self.dice);
        self.questions.forget();
        self.open.clear();
        let stays = |event: &Event| match event {
            Event::Applied(_) | Event::DiskTurn | Event::Reply { .. } | Event::ReplyFailed(_) => false,
            Event::Start => unreachable!("it runs"),
            _ => true,
        };
        self.events.retain(|_, event| stays(event));
        let mut pause = self.dice.between(50, 1000);
        if doom == Doom::Process {
            self.tally.process_deaths += 1;
            // What the kernel holds stays; the new process can't read the old one's filter back.
            self.kernel.0.state.filter = None;
            self.kernel.0.state.forwarding = false;
        } else {
            self.tally.power_cuts += 1;
            // Mostly for a moment: what happens while nothing runs shows little.
            let longest = if self.dice.one_in(5) { 3_600_000 } else { 60_000 };
            pause = self.dice.between(10_000, longest);
            self.kernel = Kernel::new();
            self.booted = self.real + pause;
            // There is no battery: the clock goes on from what was written last, within the hour.
            self.wall_ahead -= (pause / 1000 + self.dice.between(0, 3600)) as i64;
        }
        self.schedule(self.real + pause, Event::Start);
    }
}
