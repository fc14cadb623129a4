//! Names of the internet that claim to be machines of the house.

use super::*;

const HTTPS: u16 = 65;
const BLOCKED: &str = "Blocked";

fn private(name: &str) -> Rr<'_> {
    (name, A, 300, vec![192, 168, 0, 1])
}

/// What the client gets when this is all that the server says of `name`.
fn told(lab: &mut Lab, name: &str, qtype: u16, records: &[Rr<'_>]) -> String {
    let ask = lab.forward(client(5), &with_opt(query(1, name, qtype), 1232, 0, 0, &[]));
    lab.reply(&ask, &reply(&ask, OK, [records, &[], &[]]));
    let (_, bytes) = lab.answers.pop().unwrap();
    let message = Message::from_vec(&bytes).unwrap();
    let options = message.edns.map(|edns| format!("{:?}", edns.options())).unwrap_or_default();
    format!("{} {}", show(&bytes), if ede(&bytes) == Some(15) { BLOCKED.into() } else { options })
}

/// The reason in the last option of a message (RFC 8914).
pub(super) fn ede(bytes: &[u8]) -> Option<u16> {
    let tail = bytes.len().checked_sub(6)?;
    (bytes[tail..tail + 4] == [0, 15, 0, 2]).then(|| u16::from_be_bytes([bytes[tail + 4], bytes[tail + 5]]))
}

#[test]
fn rebinding_a_private_address_is_kept_back_with_its_whole_answer() {
    let mut lab = lab();
    let kept_back = "NoError rd ra |  |  |  opt Blocked";
    assert_eq!(
        told(&mut lab, "a.evil.example", A, &[a("a.evil.example", 300, 9), private("a.evil.example")]),
        kept_back
    );
    let chain = [cname("b.evil.example", 300, "c.evil.example"), private("c.evil.example")];
    assert_eq!(told(&mut lab, "b.evil.example", A, &chain), kept_back);
    let mapped = ("d.evil.example", AAAA, 300, vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1]);
    assert_eq!(told(&mut lab, "d.evil.example", AAAA, &[mapped]), kept_back);
    let hint = ("e.evil.example", HTTPS, 300, vec![0, 1, 0, 0, 4, 0, 4, 10, 0, 0, 1]);
    assert_eq!(told(&mut lab, "e.evil.example", HTTPS, &[hint]), kept_back);
    assert_eq!((lab.dns.stats().kept_back, lab.dns.kept_back().as_deref()), (4, Some("e.evil.example")));
    assert!(told(&mut lab, "www.example.net", A, &[a("www.example.net", 300, 9)]).contains("198.18.0.9"));
}

#[test]
fn rebinding_what_was_kept_back_is_kept_back_from_the_cache_too() {
    let mut lab = lab();
    told(&mut lab, "a.evil.example", A, &[private("a.evil.example")]);
    let again = lab.query(client(6), &with_opt(query(9, "a.evil.example", A), 1232, 0, 0, &[])).unwrap();
    assert_eq!((show(&again).as_str(), ede(&again)), ("NoError rd ra |  |  |  opt", Some(15)));
    assert_eq!(lab.dig("a.evil.example", A).unwrap(), "NoError rd ra |  |  | ", "without EDNS there is no reason");
    lab.sleep(60_000);
    assert_eq!(lab.dig("a.evil.example", A), None, "asked again");
}

#[test]
fn rebinding_allowed_domains_and_the_routers_own_name_pass() {
    let mut lab = lab();
    lab.dns.set_settings(Settings {
        rebind: config::Rebind { protection: true, allow: vec!["corp.example".into()] },
        ..settings()
    });
    for name in ["corp.example", "db.CORP.example", "fritz.box", "192-168-0-1.aa.plex.direct"] {
        assert!(told(&mut lab, name, A, &[private(name)]).contains("192.168.0.1"), "{name}");
    }
    assert!(told(&mut lab, "badcorp.example", A, &[private("badcorp.example")]).ends_with(BLOCKED));
    lab.dns.set_settings(Settings { rebind: config::Rebind { protection: false, allow: vec![] }, ..settings() });
    assert!(told(&mut lab, "badcorp.example", A, &[private("badcorp.example")]).contains("192.168.0.1"));
}
