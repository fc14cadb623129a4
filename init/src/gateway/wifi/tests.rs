//! Conversations with radios that nobody has here, replayed: the FullMAC driver of the Pi's own chips (CONNECT,
//! EXTERNAL_AUTH, ROAM), made by hand after the kernel's nl80211.c and brcmfmac; and a SoftMAC stick.

use super::attribute::{get, get_u16, get_u32, has};
use super::conversation::Conversation;
use super::message::{Body, Request, messages};
use super::numbers::{attr, band, bss, command, key, value};
use super::transport::{Received, Transport};
use super::worker::Worker;
use gatepost_core::gateway::WifiEvent;
use gatepost_core::net::MacAddr;
use gatepost_core::wifi::{
    Action, Associate, Authenticate, Connect, Failed, InstallKey, KeyUse, Protection, Scan, Secret,
};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

const INDEX: u32 = 7;
const FAMILY: u16 = 28;
const OWN: MacAddr = MacAddr([0xdc, 0xa6, 0x32, 0, 0, 1]);
const AP: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xaa]);
const OTHER_AP: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xbb]);
const CCMP: u32 = 0x000f_ac04;
const AKM_SAE: u32 = 0x000f_ac08;
const AKM_PSK: u32 = 0x000f_ac02;

/// What the kernel was told: commands with their attributes; EAPOL frames under command 0.
type Told = Rc<RefCell<Vec<(u8, Vec<u8>)>>>;

/// Something in the socket.
type Waiting = (Received, Vec<u8>);

/// A kernel that answers each request at once and has events ready.
#[derive(Clone, Default)]
struct Replay {
    full_mac: bool,
    /// What waits in the socket.
    queue: Rc<RefCell<VecDeque<Waiting>>>,
    told: Told,
    /// Commands that are refused, once each.
    refuse: Rc<RefCell<Vec<(u8, i32)>>>,
    /// What GET_SCAN answers.
    scan: Rc<RefCell<Vec<Vec<u8>>>>,
    joined: Rc<RefCell<Vec<u32>>>,
}

impl Replay {
    fn event(&self, request: Request) {
        self.queue.borrow_mut().push_back((Received::Netlink, request.finish(FAMILY, 0).to_vec()));
    }

    fn answer(&self, sequence: u32, request: Request) {
        self.queue.borrow_mut().push_back((Received::Netlink, request.finish(FAMILY, sequence).to_vec()));
    }

    fn end(&self, sequence: u32, errno: i32) {
        let header = [&20u32.to_ne_bytes()[..], &2u16.to_ne_bytes(), &[0; 2], &sequence.to_ne_bytes(), &[0; 4]];
        let message = [&header.concat()[..], &(-errno).to_ne_bytes()].concat();
        self.queue.borrow_mut().push_back((Received::Netlink, message));
    }

    /// What was told under this command, the last time.
    fn last(&self, command: u8) -> Vec<u8> {
        let told = self.told.borrow();
        told.iter().rev().find(|(told, _)| *told == command).unwrap_or_else(|| panic!("no {command}")).1.clone()
    }

    fn wiphy(&self, sequence: u32) {
        let commands: &[u8] = if self.full_mac {
            &[command::CONNECT]
        } else {
            &[command::CONNECT, command::AUTHENTICATE, command::ASSOCIATE]
        };
        // In pieces, as the kernel sends it.
        self.answer(sequence, Request::new(3).u32(attr::FEATURE_FLAGS, value::FEATURE_SAE).put(43, &[10]));
        let list = |nest, commands: &[u8]| {
            (0..).zip(commands).fold(nest, |nest: Request, (at, one)| nest.u32(at, u32::from(*one)))
        };
        self.answer(sequence, Request::new(3).nest(attr::SUPPORTED_COMMANDS, |nest| list(nest, commands)));
        let ciphers = [CCMP.to_ne_bytes(), 0x000f_ac06u32.to_ne_bytes()].concat();
        // The stick has a control port, the Pi's own chip has none.
        let mut extended = [0; 8];
        extended[3] = if self.full_mac { 0 } else { 1 << 2 };
        self.answer(sequence, Request::new(3).put(attr::CIPHER_SUITES, &ciphers).put(attr::EXT_FEATURES, &extended));
        let channels = |nest: Request| {
            let fifth = |one: Request| one.u32(band::FREQ, 5260).flag(band::RADAR);
            nest.nest(0, |one| one.u32(band::FREQ, 2412)).nest(1, fifth)
        };
        self.answer(
            sequence,
            Request::new(3).nest(attr::WIPHY_BANDS, |bands| bands.nest(0, |b| b.nest(band::FREQS, channels))),
        );
    }
}

impl Transport for Replay {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let message = messages(message).next().expect("one whole message");
        let Body::Data { command, attributes } = message.body else { panic!("{message:?}") };
        if self.joined.borrow().is_empty() {
            let group = |nest: Request, name: &[u8], id| nest.nest(1, |one| one.put(1, name).u32(2, id));
            let groups = |nest| group(group(nest, b"scan\0", 5), b"mlme\0", 6);
            self.answer(message.sequence, Request::new(1).put(1, &FAMILY.to_ne_bytes()).nest(7, groups));
            self.end(message.sequence, 0);
            return Ok(());
        }
        self.told.borrow_mut().push((command, attributes.to_vec()));
        match command {
            command::GET_WIPHY => self.wiphy(message.sequence),
            command::GET_SCAN => {
                for one in self.scan.borrow().iter() {
                    self.answer(message.sequence, Request::new(34).put(attr::BSS, one));
                }
            }
            _ => {}
        }
        let mut refuse = self.refuse.borrow_mut();
        let at = refuse.iter().position(|(refused, _)| *refused == command);
        self.end(message.sequence, at.map_or(0, |at| refuse.remove(at).1));
        Ok(())
    }

    fn receive(&mut self, _until: Instant, buffer: &mut Vec<u8>) -> io::Result<Received> {
        let Some((what, bytes)) = self.queue.borrow_mut().pop_front() else { return Ok(Received::Nothing) };
        *buffer = bytes;
        Ok(what)
    }

    fn join(&mut self, group: u32) -> io::Result<()> {
        self.joined.borrow_mut().push(group);
        Ok(())
    }

    fn open_eapol(&mut self, index: u32) -> io::Result<()> {
        assert_eq!(index, INDEX);
        Ok(())
    }

    fn send_eapol(&mut self, to: MacAddr, frame: &[u8]) -> io::Result<()> {
        self.told.borrow_mut().push((0, [&to.0[..], frame].concat()));
        Ok(())
    }
}

struct Bench<R: FnMut(WifiEvent) -> bool> {
    replay: Replay,
    worker: Worker<Replay, R>,
    reports: Rc<RefCell<VecDeque<WifiEvent>>>,
    actions: (SyncSender<Action>, Receiver<Action>),
}

fn bench(full_mac: bool) -> Bench<impl FnMut(WifiEvent) -> bool> {
    let replay = Replay { full_mac, ..Replay::default() };
    // Answered before any group is joined: the family.
    let reports = Rc::new(RefCell::new(VecDeque::new()));
    let sink = reports.clone();
    let kernel = Conversation::start(replay.clone()).unwrap();
    assert_eq!(*replay.joined.borrow(), [5, 6]);
    let report = move |event| {
        sink.borrow_mut().push_back(event);
        true
    };
    let worker = Worker::start(kernel, INDEX, OWN, report).unwrap();
    let mut bench = Bench { replay, worker, reports, actions: sync_channel(8) };
    let Some(WifiEvent::Radio(radio)) = bench.report() else { panic!("the radio is told first") };
    assert_eq!((radio.authenticate, radio.control_port, radio.sae), (!full_mac, !full_mac, true));
    assert_eq!((radio.max_scan_ssids, radio.ciphers.len()), (10, 2));
    let channels: Vec<_> = radio.channels.iter().map(|c| (c.frequency, c.passive)).collect();
    assert_eq!(channels, [(2412, false), (5260, true)]);
    bench
}

impl<R: FnMut(WifiEvent) -> bool> Bench<R> {
    fn report(&mut self) -> Option<WifiEvent> {
        self.reports.borrow_mut().pop_front()
    }

    /// An event of the kernel and what is made of it.
    fn after(&mut self, event: Request) -> Option<WifiEvent> {
        self.replay.event(event.u32(attr::IFINDEX, INDEX));
        assert_eq!(self.worker.turn(&self.actions.1), Ok(true));
        self.report()
    }
}

fn protection(akm: u32) -> Protection {
    Protection { akm, pairwise: CCMP, group: CCMP, mfp: akm == AKM_SAE }
}

fn connect(akm: u32) -> Connect {
    Connect {
        bssid: AP,
        frequency: 2412,
        ssid: b"home".to_vec(),
        elements: vec![48, 0],
        protection: Some(protection(akm)),
        external_auth: akm == AKM_SAE,
        pmk: None,
    }
}

fn connected(bssid: MacAddr, status: u16) -> Request {
    Request::new(command::CONNECT)
        .put(attr::MAC, &bssid.0)
        .put(attr::STATUS_CODE, &status.to_ne_bytes())
        .put(attr::RESP_IE, &[1, 0])
}

#[test]
fn full_mac_wpa2_connect_handshake_over_a_packet_socket_and_roam() {
    let mut bench = bench(true);
    bench.worker.act(Action::Connect(connect(AKM_PSK)));
    let told = bench.replay.last(command::CONNECT);
    assert_eq!(get(&told, attr::SSID), Some(&b"home"[..]));
    assert_eq!(get_u32(&told, attr::AUTH_TYPE), Some(value::AUTHTYPE_OPEN_SYSTEM));
    assert_eq!(get_u32(&told, attr::AKM_SUITES), Some(AKM_PSK));
    assert_eq!(get_u32(&told, attr::WPA_VERSIONS), Some(value::WPA_VERSION_2));
    assert_eq!(get_u32(&told, attr::USE_MFP), Some(value::MFP_NO));
    assert!(has(&told, attr::CONTROL_PORT) && has(&told, attr::SOCKET_OWNER));
    assert!(!has(&told, attr::CONTROL_PORT_OVER_NL80211) && !has(&told, attr::EXTERNAL_AUTH_SUPPORT));

    let outcome = bench.after(connected(AP, 0));
    assert!(
        matches!(outcome, Some(WifiEvent::Connected(c)) if c.status == Some(0) && c.response == [1, 0] && !c.authorized)
    );
    bench.replay.queue.borrow_mut().push_back((Received::Eapol(AP), vec![2, 3, 0, 0]));
    assert_eq!(bench.worker.turn(&bench.actions.1), Ok(true));
    assert!(matches!(bench.report(), Some(WifiEvent::Eapol { source: AP, protected: None, .. })));
    bench.worker.act(Action::SendEapol { to: AP, frame: vec![2, 3], clear: true });
    assert_eq!(bench.replay.last(0), [&AP.0[..], &[2, 3]].concat());

    let key = InstallKey {
        usage: KeyUse::Pairwise(AP),
        index: 0,
        cipher: CCMP,
        key: Secret::new(vec![9; 16]),
        sequence: [0; 6],
    };
    bench.worker.act(Action::InstallKey(key));
    let told = bench.replay.last(command::NEW_KEY);
    assert_eq!(get(&told, attr::MAC), Some(&AP.0[..]));
    let inner = get(&told, attr::KEY).unwrap();
    assert_eq!(get(inner, key::DATA), Some(&[9; 16][..]));
    assert_eq!(get_u32(inner, key::TYPE), Some(key::TYPE_PAIRWISE));
    bench.worker.act(Action::AuthorizePort(AP));
    assert_eq!(
        get(&bench.replay.last(command::SET_STATION), attr::STA_FLAGS2),
        Some(&[2u32.to_ne_bytes(), 2u32.to_ne_bytes()].concat()[..])
    );

    let roam = Request::new(command::ROAM).put(attr::MAC, &OTHER_AP.0).put(attr::RESP_IE, &[3]);
    assert!(matches!(bench.after(roam), Some(WifiEvent::Roamed(r)) if r.bssid == OTHER_AP && r.response == [3]));
    let gone =
        Request::new(command::DISCONNECT).put(attr::REASON_CODE, &15u16.to_ne_bytes()).flag(attr::DISCONNECTED_BY_AP);
    assert!(matches!(bench.after(gone), Some(WifiEvent::Disconnected(d)) if d.reason == 15 && d.by_ap));
}

#[test]
fn full_mac_wpa3_external_auth() {
    let mut bench = bench(true);
    let registered = bench.replay.last(command::REGISTER_FRAME);
    assert_eq!(get_u16(&registered, attr::FRAME_TYPE), Some(0x00b0));
    assert_eq!(get(&registered, attr::FRAME_MATCH), Some(&[3, 0][..]), "SAE's frames only");

    bench.worker.act(Action::Connect(connect(AKM_SAE)));
    let told = bench.replay.last(command::CONNECT);
    assert!(has(&told, attr::EXTERNAL_AUTH_SUPPORT));
    assert_eq!(get_u32(&told, attr::AUTH_TYPE), Some(value::AUTHTYPE_SAE));
    assert_eq!(get_u32(&told, attr::USE_MFP), Some(value::MFP_REQUIRED));

    for akm in [AKM_SAE, AKM_SAE.swap_bytes()] {
        let wanted = Request::new(command::EXTERNAL_AUTH)
            .u32(attr::EXTERNAL_AUTH_ACTION, 0)
            .put(attr::BSSID, &AP.0)
            .put(attr::SSID, b"home")
            .u32(attr::AKM_SUITES, akm);
        let report = bench.after(wanted);
        assert!(
            matches!(report, Some(WifiEvent::ExternalAuth(e)) if e.start && e.bssid == AP && e.akm == AKM_SAE),
            "{akm:x}"
        );
    }
    bench.worker.act(Action::SendAuthFrame { frequency: 2412, frame: vec![0xb0, 0, 1] });
    let told = bench.replay.last(command::FRAME);
    assert_eq!((get(&told, attr::FRAME), get_u32(&told, attr::WIPHY_FREQ)), (Some(&[0xb0, 0, 1][..]), Some(2412)));
    let frame = Request::new(command::FRAME).put(attr::FRAME, &[0xb0, 0, 2]);
    assert!(matches!(bench.after(frame), Some(WifiEvent::AuthFrame(f)) if f == [0xb0, 0, 2]));
    let probe = Request::new(command::FRAME).put(attr::FRAME, &[0x40, 0, 2]);
    assert!(bench.after(probe).is_none(), "no authentication frame");
    let result = Action::ExternalAuthResult { bssid: AP, ssid: b"home".to_vec(), status: 0, pmkid: Some([5; 16]) };
    bench.worker.act(result);
    let told = bench.replay.last(command::EXTERNAL_AUTH);
    assert_eq!((get(&told, attr::BSSID), get(&told, attr::PMKID)), (Some(&AP.0[..]), Some(&[5; 16][..])));
    assert_eq!(get_u16(&told, attr::STATUS_CODE), Some(0));
}

#[test]
fn full_mac_handshake_of_the_firmware() {
    let mut bench = bench(true);
    bench.worker.act(Action::Connect(Connect { pmk: Some(Secret::new(vec![7; 32])), ..connect(AKM_PSK) }));
    let told = bench.replay.last(command::CONNECT);
    assert!(has(&told, attr::WANT_1X_4WAY_HS));
    assert_eq!(get(&told, attr::PMK), Some(&[7; 32][..]));
    assert!(matches!(bench.after(connected(AP, 0)), Some(WifiEvent::Connected(c)) if !c.authorized));
    let open = Request::new(command::PORT_AUTHORIZED).put(attr::MAC, &AP.0);
    assert!(matches!(bench.after(open), Some(WifiEvent::Connected(c)) if c.authorized && c.status == Some(0)));
}

#[test]
fn soft_mac_wpa3_authenticate_associate_and_the_control_port() {
    let mut bench = bench(false);
    let wanted = Authenticate { bssid: AP, frequency: 2412, ssid: b"home".to_vec(), data: vec![1, 0, 126, 0] };
    bench.worker.act(Action::Authenticate(wanted));
    assert_eq!(get(&bench.replay.last(command::AUTHENTICATE), attr::AUTH_DATA), Some(&[1, 0, 126, 0][..]));
    let frame = Request::new(command::AUTHENTICATE).put(attr::FRAME, &[0xb0, 0]);
    assert!(matches!(bench.after(frame), Some(WifiEvent::AuthFrame(_))));
    let silence = Request::new(command::AUTHENTICATE).put(attr::MAC, &AP.0).flag(attr::TIMED_OUT);
    assert!(matches!(bench.after(silence), Some(WifiEvent::AuthTimeout(AP))));
    // A goodbye before there is a connection, of the access point and of ourselves.
    let farewell = |sender: MacAddr| [&[0xc0, 0, 0, 0][..], &OWN.0, &sender.0, &AP.0, &[0, 0, 6, 0]].concat();
    let theirs = Request::new(command::DEAUTHENTICATE).put(attr::FRAME, &farewell(AP));
    assert!(matches!(bench.after(theirs), Some(WifiEvent::Disconnected(d)) if d.reason == 6 && d.bssid == Some(AP)));
    assert!(bench.after(Request::new(command::DEAUTHENTICATE).put(attr::FRAME, &farewell(OWN))).is_none());

    let wanted = Associate {
        bssid: AP,
        frequency: 2412,
        ssid: b"home".to_vec(),
        elements: vec![48, 0],
        protection: protection(AKM_SAE),
    };
    bench.worker.act(Action::Associate(wanted));
    let told = bench.replay.last(command::ASSOCIATE);
    assert!(has(&told, attr::CONTROL_PORT_OVER_NL80211) && has(&told, attr::SOCKET_OWNER));
    assert!(bench.after(Request::new(command::ASSOCIATE).put(attr::FRAME, &[0x10, 0])).is_none(), "CONNECT follows");
    assert!(matches!(bench.after(connected(AP, 0)), Some(WifiEvent::Connected(_))));
    // As the owner of a connection that stands, its end is told once.
    let theirs = Request::new(command::DEAUTHENTICATE).put(attr::FRAME, &farewell(AP));
    assert!(bench.after(theirs).is_none(), "DISCONNECT follows");

    let eapol = Request::new(command::CONTROL_PORT_FRAME).put(attr::MAC, &AP.0).put(attr::FRAME, &[2, 3]);
    assert!(matches!(bench.after(eapol), Some(WifiEvent::Eapol { protected: Some(true), .. })));
    bench.worker.act(Action::SendEapol { to: AP, frame: vec![2, 3], clear: true });
    let told = bench.replay.last(command::CONTROL_PORT_FRAME);
    assert!(has(&told, attr::CONTROL_PORT_NO_ENCRYPT));
    assert_eq!(get_u16(&told, attr::CONTROL_PORT_ETHERTYPE), Some(0x888e));
}

#[test]
fn soft_mac_farewells_in_clear_and_the_question_whether_we_are_known() {
    let mut bench = bench(false);
    let registered = bench.replay.last(command::REGISTER_FRAME);
    assert_eq!(get_u16(&registered, attr::FRAME_TYPE), Some(0x00d0));
    assert_eq!(get(&registered, attr::FRAME_MATCH), Some(&[8, 1][..]), "answers to SA Query only");

    bench.worker.act(Action::Connect(connect(AKM_PSK)));
    assert!(matches!(bench.after(connected(AP, 0)), Some(WifiEvent::Connected(_))));
    let farewell = |sender: MacAddr| [&[0xc0, 0, 0, 0][..], &OWN.0, &sender.0, &AP.0, &[0, 0, 7, 0]].concat();
    for command in [command::UNPROT_DEAUTHENTICATE, command::UNPROT_DISASSOCIATE] {
        let theirs = Request::new(command).put(attr::FRAME, &farewell(AP));
        assert!(matches!(bench.after(theirs), Some(WifiEvent::Unprotected { from: AP, reason: 7 })));
        assert!(bench.after(Request::new(command).put(attr::FRAME, &farewell(OWN))).is_none());
        assert!(bench.after(Request::new(command).put(attr::FRAME, &[0xc0])).is_none());
    }
    bench.worker.act(Action::SendActionFrame(vec![0xd0, 0, 8]));
    let told = bench.replay.last(command::FRAME);
    assert_eq!(get(&told, attr::FRAME), Some(&[0xd0, 0, 8][..]));
    assert!(!has(&told, attr::WIPHY_FREQ), "on the connection's own channel");
    let answer = Request::new(command::FRAME).put(attr::FRAME, &[0xd0, 0, 1]);
    assert!(matches!(bench.after(answer), Some(WifiEvent::ActionFrame(frame)) if frame == [0xd0, 0, 1]));
}

#[test]
fn scans_refusals_and_other_peoples_events() {
    let mut bench = bench(false);
    bench.worker.act(Action::Scan(Scan {
        ssids: vec![Vec::new(), b"hidden".to_vec()],
        frequencies: vec![2412],
        flush: true,
    }));
    let told = bench.replay.last(command::TRIGGER_SCAN);
    let names = get(&told, attr::SCAN_SSIDS).unwrap();
    assert_eq!((get(names, 1), get(names, 2)), (Some(&b""[..]), Some(&b"hidden"[..])));
    bench.worker.act(Action::Scan(Scan { ssids: Vec::new(), frequencies: Vec::new(), flush: false }));
    assert!(!has(&bench.replay.last(command::TRIGGER_SCAN), attr::SCAN_SSIDS), "a passive scan names nobody");

    let access_point = |bssid: MacAddr, mbm: i32| {
        let fields = Request::new(0)
            .put(bss::BSSID, &bssid.0)
            .u32(bss::FREQUENCY, 2412)
            .put(bss::SIGNAL_MBM, &mbm.to_ne_bytes())
            .put(bss::CAPABILITY, &17u16.to_ne_bytes())
            .put(bss::INFORMATION_ELEMENTS, &[0, 0]);
        let message = fields.finish(0x10, 1);
        message[20..].to_vec()
    };
    bench.replay.scan.borrow_mut().extend([access_point(AP, -7000), access_point(OTHER_AP, -4000), vec![1, 2, 3]]);
    let Some(WifiEvent::ScanDone(results)) = bench.after(Request::new(command::NEW_SCAN_RESULTS)) else { panic!() };
    let seen: Vec<_> = results.iter().map(|bss| (bss.bssid, bss.signal)).collect();
    assert_eq!(seen, [(OTHER_AP, -40), (AP, -70)], "the strongest first; what can't be read is left out");

    bench.replay.refuse.borrow_mut().push((command::TRIGGER_SCAN, libc::EBUSY));
    bench.worker.act(Action::Scan(Scan { ssids: Vec::new(), frequencies: Vec::new(), flush: false }));
    assert!(matches!(bench.report(), Some(WifiEvent::Failed { what: Failed::Scan, errno: libc::EBUSY })));
    // An attempt that the kernel still holds on to is ended, and the new one made.
    bench.replay.refuse.borrow_mut().push((command::CONNECT, libc::EALREADY));
    bench.worker.act(Action::Connect(connect(AKM_PSK)));
    assert!(bench.report().is_none());

    bench.replay.event(connected(AP, 0).u32(attr::IFINDEX, INDEX + 1));
    assert_eq!(bench.worker.turn(&bench.actions.1), Ok(true));
    assert!(bench.report().is_none(), "another interface's");
}

#[test]
fn events_of_any_bytes_are_read_or_left() {
    use proptest::prelude::*;
    proptest!(|(command in 0u8..150, bytes in proptest::collection::vec(any::<u8>(), 0..200))| {
        let _ = super::event::read(INDEX, command, &bytes);
        let _ = super::event::farewell(&bytes, OWN);
        let _ = super::event::radio(OWN, &[(3, bytes.clone())]);
        let _ = super::event::quality(&[(3, bytes.clone())]);
        let _ = super::event::scan_results(&[(3, bytes)]);
    });
}
