//! The radio: nl80211 around the core's Wi-Fi station.
//!
//! ```text
//!  core::gateway ──► wifi::Action ──► Wifi ──► worker ──► command ──► conversation ──► transport ──► kernel
//!                ◄── WifiEvent ◄────────────── worker ◄── event ◄─────┘
//! ```
//! The worker has a thread of its own: nl80211 carries a command out inside the system call, and a driver may take
//! seconds over it (brcmfmac waits for a frame's acknowledgement). Nobody's DNS waits for that. It exists only while there
//! is an uplink interface and a network to join.
//!
//! The codec is our own: some thirty attributes and twenty commands. The library for nl80211 has no payload for
//! EXTERNAL_AUTH and no SET_STATION, reads a whole message or none of it, and its errors may show keys.

mod attribute;
mod command;
mod conversation;
mod event;
mod message;
mod numbers;
#[cfg(test)]
mod tests;
mod transport;
mod worker;

use super::event::{Event, EventSender};
use conversation::{Conversation, Refused};
use gatepost_core::gateway::WifiEvent;
use gatepost_core::net::MacAddr;
use gatepost_core::wifi::{Action, PmkJob};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use transport::Kernel;
use worker::Worker;

/// Actions that may wait for a driver that takes its time.
const QUEUE: usize = 256;

/// Stack of the threads, in bytes.
const STACK: usize = 128 * 1024;

/// The worker's thread; it ends when this is dropped.
pub struct Wifi {
    actions: Option<SyncSender<Action>>,
    wake: Arc<EventFd>,
}

impl Wifi {
    /// Starts to work for this interface. What happens comes as events that bear `run`; the last one is
    /// [`WifiEvent::Gone`], unless this was dropped before.
    pub fn open(run: u64, index: u32, mac: MacAddr, events: EventSender) -> io::Result<Self> {
        let wake = Arc::new(EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?);
        let (actions, queue) = sync_channel(QUEUE);
        let woken = wake.clone();
        let work = move || {
            let report = |event| events.blocking_send(Event::Wifi { run, event }).is_ok();
            let ended = Kernel::open(woken)
                .map_err(Refused::from)
                .and_then(Conversation::start)
                .and_then(|kernel| Worker::start(kernel, index, mac, report))
                .and_then(|worker| worker.run(&queue));
            if let Err(Refused(errno)) = ended {
                report(WifiEvent::Gone { errno });
            }
        };
        thread::Builder::new().name("wifi".into()).stack_size(STACK).spawn(work)?;
        Ok(Self { actions: Some(actions), wake })
    }

    /// Queues an action; false if the worker is stuck or gone.
    pub fn put(&self, action: Action) -> bool {
        let queued = self.actions.as_ref().is_some_and(|actions| actions.try_send(action).is_ok());
        // A counter that is full wakes as well.
        let _ = self.wake.write(1);
        queued
    }
}

impl Drop for Wifi {
    fn drop(&mut self) {
        self.actions = None;
        let _ = self.wake.write(1);
    }
}

/// Most keys that wait to be computed: each configured network may want one, and the one that is being joined again.
const MAX_KEYS: usize = 2 * gatepost_core::config::MAX_WIFI;

/// Turns passphrases into keys on a thread of its own, one after the other: a Pi computes for a second, and whoever asks
/// the gateway for an address at that moment shall find a processor.
#[derive(Default)]
pub struct Keys {
    waiting: VecDeque<PmkJob>,
    busy: bool,
}

impl Keys {
    /// Queues a key. What is asked for again is what a connection waits for: it goes first.
    pub fn derive(&mut self, job: PmkJob, events: &EventSender) {
        let before = self.waiting.len();
        self.waiting.retain(|other| *other != job);
        if self.waiting.len() < before {
            self.waiting.push_front(job);
        } else if before < MAX_KEYS {
            self.waiting.push_back(job);
        }
        self.next(events);
    }

    /// A key has been computed.
    pub fn done(&mut self, events: &EventSender) {
        self.busy = false;
        self.next(events);
    }

    fn next(&mut self, events: &EventSender) {
        let Some(job) = self.waiting.pop_front_if(|_| !self.busy) else { return };
        let events = events.clone();
        let work = move || {
            // Without a receiver the process is ending.
            let _ = events.blocking_send(Event::Key(job.run()));
        };
        // Without a thread there is no key, and the station asks again.
        self.busy = thread::Builder::new().name("pmk".into()).stack_size(STACK).spawn(work).is_ok();
    }
}
