//! Carries the station's actions out, one after the other, and reports what the radio says. Decides nothing but which of
//! several events of the kernel is the one that counts.

use super::command::{Interface, set_country};
use super::conversation::{Conversation, Refused, Unasked};
use super::event::{self, Event};
use super::transport::Transport;
use gatepost_core::gateway::WifiEvent;
use gatepost_core::net::MacAddr;
use gatepost_core::wifi::{Action, Connect, Connected, Disconnected, Failed, Radio};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

/// How often a link's quality is looked at.
const QUALITY_EVERY: Duration = Duration::from_secs(5);

/// The longest wait for nothing.
const IDLE: Duration = Duration::from_secs(60);

/// IEEE 802.11-2020 section 9.4.1.7: the station leaves.
const REASON_LEAVING: u16 = 3;

/// The radio's side of the station.
pub struct Worker<T, R> {
    kernel: Conversation<T>,
    interface: Interface,
    radio: Radio,
    report: R,
    /// Authentication and association are ours (SoftMAC with SAE): the kernel tells their outcome apart.
    own_sme: bool,
    /// The access point that was last asked for.
    asked: Option<MacAddr>,
    /// The access point of the connection, as the kernel has it.
    associated: Option<MacAddr>,
    /// A connection whose handshake the firmware does, until it has done it.
    offloaded: Option<Connected>,
    quality_due: Instant,
}

impl<T: Transport, R: FnMut(WifiEvent) -> bool> Worker<T, R> {
    /// Takes the radio over: whatever connection it has is ended, since nobody knows its keys. Reports the radio.
    pub fn start(mut kernel: Conversation<T>, index: u32, mac: MacAddr, report: R) -> Result<Self, Refused> {
        let mut interface = Interface { index, control_port: false };
        let radio = event::radio(mac, &kernel.ask(interface.get_wiphy())?);
        if radio.channels.is_empty() {
            // An interface, but not of a radio.
            return Err(Refused(libc::EOPNOTSUPP));
        }
        interface.control_port = radio.control_port;
        // These five may fail on a radio that works: there is no connection, or it can't be told.
        let _ = kernel.command(interface.disconnect(REASON_LEAVING));
        let _ = kernel.command(interface.no_power_save());
        if !radio.control_port {
            kernel.open_eapol(index)?;
        }
        if radio.sae && !radio.authenticate {
            let _ = kernel.command(interface.register_auth());
        }
        if radio.authenticate {
            let _ = kernel.command(interface.register_sa_query());
        }
        let mut worker = Self {
            kernel,
            interface,
            radio: radio.clone(),
            report,
            own_sme: false,
            asked: None,
            associated: None,
            offloaded: None,
            quality_due: Instant::now(),
        };
        worker.tell(WifiEvent::Radio(radio));
        Ok(worker)
    }

    /// Works until `actions` is closed, nobody listens any more, or events may have been lost: then with an error.
    pub fn run(mut self, actions: &Receiver<Action>) -> Result<(), Refused> {
        loop {
            match self.turn(actions) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Does what is to be done and waits for one thing; false at the end.
    pub fn turn(&mut self, actions: &Receiver<Action>) -> Result<bool, Refused> {
        loop {
            match actions.try_recv() {
                Ok(action) => self.act(action),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(false),
            }
        }
        let now = Instant::now();
        let until = if self.associated.is_some() { self.quality_due } else { now + IDLE };
        Ok(match self.kernel.next(until)? {
            Unasked::Event((command, attributes)) => match event::read(self.interface.index, command, &attributes) {
                Some(event) => self.take(event),
                None => true,
            },
            Unasked::Eapol(source, frame) => self.tell(WifiEvent::Eapol { source, frame, protected: None }),
            Unasked::Woken => true,
            Unasked::Nothing => self.look_at_quality(),
        })
    }

    fn tell(&mut self, event: WifiEvent) -> bool {
        (self.report)(event)
    }

    /// Carries an action out; a refusal is told, success is told by the kernel's events.
    pub fn act(&mut self, action: Action) {
        let radio = self.interface;
        let (what, done) = match action {
            Action::SetRegulatory(country) => {
                // Refused means that the channels stay as they are, which the station sees.
                let _ = self.kernel.command(set_country(country));
                return;
            }
            Action::Scan(scan) => (Failed::Scan, self.kernel.command(radio.scan(&scan))),
            Action::Authenticate(wanted) => {
                (self.own_sme, self.asked) = (true, Some(wanted.bssid));
                (Failed::Authenticate, self.kernel.command(radio.authenticate(&wanted)))
            }
            Action::Associate(wanted) => {
                (self.own_sme, self.asked) = (true, Some(wanted.bssid));
                (Failed::Associate, self.kernel.command(radio.associate(&wanted)))
            }
            Action::Connect(wanted) => (Failed::Connect, self.connect(&wanted)),
            Action::SendAuthFrame { frequency, frame } => {
                (Failed::Auth, self.kernel.command(radio.frame(frequency, &frame)))
            }
            Action::SendActionFrame(frame) => (Failed::Query, self.kernel.command(radio.action_frame(&frame))),
            Action::ExternalAuthResult { bssid, ssid, status, pmkid } => {
                (Failed::Auth, self.kernel.command(radio.external_auth(bssid, &ssid, status, pmkid.as_ref())))
            }
            Action::SendEapol { to, frame, clear } => (Failed::Eapol, self.send_eapol(to, &frame, clear)),
            Action::InstallKey(key) => (Failed::Key, self.kernel.command(radio.new_key(&key))),
            Action::AuthorizePort(peer) => (Failed::Port, self.kernel.command(radio.authorize(peer))),
            Action::Disconnect { reason } => {
                self.disconnect(reason);
                return;
            }
            // Not for the radio.
            Action::DerivePmk(_) | Action::Store(_) | Action::LinkUp { .. } | Action::LinkDown | Action::Note(_) => {
                return;
            }
        };
        if let Err(Refused(errno)) = done {
            self.tell(WifiEvent::Failed { what, errno });
        }
    }

    fn connect(&mut self, wanted: &Connect) -> Result<(), Refused> {
        (self.own_sme, self.asked) = (false, Some(wanted.bssid));
        self.offloaded = None;
        let offload = wanted.pmk.is_some();
        let mut done = self.kernel.command(self.interface.connect(wanted));
        if matches!(done, Err(Refused(libc::EALREADY | libc::EBUSY))) {
            // An earlier attempt that the kernel has not given up yet.
            let _ = self.kernel.command(self.interface.disconnect(REASON_LEAVING));
            done = self.kernel.command(self.interface.connect(wanted));
        }
        if offload {
            self.offloaded = Some(Connected { bssid: None, status: None, response: Vec::new(), authorized: false });
        }
        done
    }

    fn send_eapol(&mut self, to: MacAddr, frame: &[u8], clear: bool) -> Result<(), Refused> {
        if self.radio.control_port {
            self.kernel.command(self.interface.control_port_frame(to, frame, clear))
        } else {
            self.kernel.send_eapol(to, frame)
        }
    }

    /// Errors only say that there was no connection.
    fn disconnect(&mut self, reason: u16) {
        let _ = self.kernel.command(self.interface.disconnect(reason));
        let half_way = self.asked.filter(|_| self.own_sme && self.associated.is_none());
        if let Some(bssid) = half_way {
            let _ = self.kernel.command(self.interface.deauthenticate(bssid, reason));
        }
        (self.asked, self.associated, self.offloaded) = (None, None, None);
    }

    fn take(&mut self, event: Event) -> bool {
        let report = match event {
            Event::Scanned => return self.scanned(),
            Event::ScanAborted => WifiEvent::Failed { what: Failed::Scan, errno: libc::ECANCELED },
            Event::Regulatory => return self.look_at_radio(),
            Event::Connected(outcome) => {
                self.associated = outcome.bssid.or(self.asked).filter(|_| outcome.status == Some(0));
                self.quality_due = Instant::now() + QUALITY_EVERY;
                if let Some(waiting) = &mut self.offloaded {
                    waiting.clone_from(&outcome);
                }
                WifiEvent::Connected(outcome)
            }
            // Behind CONNECT it is cfg80211's to go on or to give up.
            Event::AssociateTimeout if !self.own_sme => return true,
            Event::AssociateTimeout => WifiEvent::Connected(Connected {
                bssid: self.asked,
                status: None,
                response: Vec::new(),
                authorized: false,
            }),
            Event::AuthFrame(_) | Event::AuthTimeout(_) if !self.own_sme && self.radio.authenticate => return true,
            Event::AuthFrame(frame) => WifiEvent::AuthFrame(frame),
            Event::AuthTimeout(bssid) => WifiEvent::AuthTimeout(bssid),
            Event::ExternalAuth(wanted) => WifiEvent::ExternalAuth(wanted),
            Event::Eapol { source, frame, protected } => WifiEvent::Eapol { source, frame, protected: Some(protected) },
            Event::PortAuthorized => match self.offloaded.take() {
                Some(outcome) => WifiEvent::Connected(Connected { authorized: true, ..outcome }),
                None => return true,
            },
            Event::Disconnected(how) => {
                self.associated = None;
                WifiEvent::Disconnected(how)
            }
            // A connection's end comes as DISCONNECT besides.
            Event::Farewell(_) if !self.own_sme || self.associated.is_some() => return true,
            Event::Farewell(frame) => match event::farewell(&frame, self.radio.mac) {
                Some(how) => WifiEvent::Disconnected(how),
                None => return true,
            },
            Event::Unprotected(frame) => match event::farewell(&frame, self.radio.mac) {
                Some(Disconnected { bssid: Some(from), reason, .. }) => WifiEvent::Unprotected { from, reason },
                _ => return true,
            },
            Event::ActionFrame(frame) => WifiEvent::ActionFrame(frame),
            Event::Roamed(roamed) => {
                self.associated = Some(roamed.bssid);
                WifiEvent::Roamed(roamed)
            }
            Event::BeaconLoss => WifiEvent::BeaconLoss,
            Event::Channel(frequency) => WifiEvent::Channel(frequency),
        };
        self.tell(report)
    }

    fn scanned(&mut self) -> bool {
        let event = match self.kernel.ask(self.interface.get_scan()) {
            Ok(replies) => WifiEvent::ScanDone(event::scan_results(&replies)),
            Err(Refused(errno)) => WifiEvent::Failed { what: Failed::Scan, errno },
        };
        self.tell(event)
    }

    fn look_at_radio(&mut self) -> bool {
        match self.kernel.ask(self.interface.get_wiphy()) {
            Ok(pieces) => {
                let radio = event::radio(self.radio.mac, &pieces);
                if radio == self.radio || radio.channels.is_empty() {
                    return true;
                }
                self.radio.clone_from(&radio);
                self.tell(WifiEvent::Radio(radio))
            }
            // Gone, perhaps; that is told by others.
            Err(_) => true,
        }
    }

    fn look_at_quality(&mut self) -> bool {
        self.quality_due = Instant::now() + QUALITY_EVERY;
        let Some(bssid) = self.associated else { return true };
        let answer = self.kernel.ask(self.interface.get_station(bssid));
        match answer.ok().and_then(|replies| event::quality(&replies)) {
            Some(quality) => self.tell(WifiEvent::Quality(quality)),
            None => true,
        }
    }
}
