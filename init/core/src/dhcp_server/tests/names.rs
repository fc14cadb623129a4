//! Host names that clients ask for.

use super::*;

#[test]
fn names_follow_the_lease() {
    let mut lab = Lab::new();
    let before = lab.name_changes;
    let address = lab.lease_as(&Packet::new(DISCOVER, 9).option(12, b"Laptop")).yiaddr();
    assert_eq!((lab.name_of(address).as_deref(), lab.name_changes), (Some("laptop"), before + 1));
    lab.ask(&Packet::new(REQUEST, 9).ciaddr(address));
    assert_eq!(
        (lab.name_of(address).as_deref(), lab.name_changes),
        (Some("laptop"), before + 1),
        "it need not repeat it"
    );
    lab.ask(&Packet::new(REQUEST, 9).ciaddr(address).option(12, b"desktop"));
    assert_eq!((lab.name_of(address).as_deref(), lab.name_changes), (Some("desktop"), before + 2));
    lab.pass(2 * LEASE);
    assert_eq!((lab.find(address), lab.name_changes), (None, before + 3));
}

#[test]
fn option_81_comes_before_option_12() {
    let mut lab = Lab::new();
    let both = Packet::new(DISCOVER, 9).option(12, b"short").option(81, b"\x05\0\0\x04full\x08mydomain\x03net\0");
    assert_eq!(lab.lease_as(&both).option(12), Some(&b"full"[..]));
    let unusable = Packet::new(DISCOVER, 10).option(12, b"short").option(81, b"\x05\0\0\x04full\x07example\0");
    assert_eq!(lab.lease_as(&unusable).option(12), Some(&b"short"[..]));
}

#[test]
fn reserved_names_are_refused() {
    let mut lab = Lab::new();
    for name in ["wpad", "LOCALHOST", "gateway", "_gateway", "isatap", "rpi1", "rpi1.mydomain.net", "nas", "printer"] {
        let ack = lab.lease_as(&Packet::new(DISCOVER, 9).option(12, name.as_bytes()));
        assert_eq!((ack.option(12), lab.name_of(ack.yiaddr())), (None, None), "{name}");
    }
    assert_eq!(lab.name_of(ip(20)).as_deref(), Some("nas"));
}

/// Aliases of hosts are records, too.
#[test]
fn static_beats_dynamic_a_name_that_has_records_is_refused() {
    let config = crate::config::parse(
        b"domain = \"mydomain.net\"\n[[host]]\nname = \"nas\"\nmac = \"02:00:00:00:00:03\"\naddress = \"10.0.0.20\"\n\
        aliases = [\"git\", \"cloud.example.com\"]\n[[dns.record]]\nname = \"Mail\"\ntype = \"TXT\"\nvalue = \"x\"\n\
        [[dns.record]]\nname = \"deep.below.mydomain.net\"\ntype = \"A\"\nvalue = \"10.0.0.5\"\n",
    );
    let config = config.unwrap();
    let mut lab = Lab::new();
    let git = lab.lease_as(&Packet::new(DISCOVER, 9).option(12, b"git")).yiaddr();
    assert_eq!(lab.name_of(git).as_deref(), Some("git"), "nobody has it yet");
    lab.server.reconfigure(Settings { probe: false, ..Settings::new(&config, config.lan.address) }, lab.now);
    lab.drain();
    assert_eq!(lab.name_of(git), None, "the name goes with the change");
    for name in ["git", "GIT.mydomain.net", "mail"] {
        let ack = lab.ask(&Packet::new(REQUEST, 9).ciaddr(git).option(12, name.as_bytes()));
        assert_eq!((ack.option(12), lab.name_of(git)), (None, None), "{name}");
    }
    // What lies elsewhere in the tree is another name.
    for name in ["cloud", "deep", "below"] {
        lab.ask(&Packet::new(REQUEST, 9).ciaddr(git).option(12, name.as_bytes()));
        assert_eq!(lab.name_of(git).as_deref(), Some(name));
    }
    // A host whose name has records besides keeps it.
    let mut settings = settings();
    settings.taken = ["nas".into(), "deep".into(), "below".into()].into();
    lab.server.reconfigure(settings, lab.now);
    lab.drain();
    assert_eq!((lab.name_of(ip(20)).as_deref(), lab.name_of(git)), (Some("nas"), None));
    assert_eq!(lab.lease_as(&Packet::new(DISCOVER, 3).option(12, b"other")).option(12), Some(&b"nas"[..]));
    lab.restart();
    assert_eq!((lab.name_of(ip(20)).as_deref(), lab.name_of(git)), (Some("nas"), None));
}

#[test]
fn a_live_name_is_not_stolen() {
    let mut lab = Lab::new();
    let first = lab.lease_as(&Packet::new(DISCOVER, 9).option(12, b"laptop")).yiaddr();
    let thief = lab.lease_as(&Packet::new(DISCOVER, 10).option(12, b"laptop")).yiaddr();
    assert_eq!((lab.name_of(first).as_deref(), lab.name_of(thief)), (Some("laptop"), None));
    lab.send(&Packet::new(RELEASE, 9).ciaddr(first));
    lab.ask(&Packet::new(REQUEST, 10).ciaddr(thief).option(12, b"laptop"));
    assert_eq!(lab.name_of(thief).as_deref(), Some("laptop"), "it is free now");
    let late = lab.lease_as(&Packet::new(DISCOVER, 9).option(12, b"laptop")).yiaddr();
    assert_eq!((late, lab.name_of(late)), (first, None));
}

#[test]
fn a_machine_takes_its_name_along() {
    let mut lab = Lab::new();
    let old = lab.lease_as(&Packet::new(DISCOVER, 9).option(12, b"laptop")).yiaddr();
    let new = lab.lease_as(&Packet::new(DISCOVER, 9).option(12, b"laptop").option(61, b"\xffnew system")).yiaddr();
    assert_ne!(old, new);
    assert_eq!((lab.name_of(old), lab.name_of(new).as_deref()), (None, Some("laptop")));
}

#[test]
fn a_host_of_the_configuration_takes_its_name_from_a_client() {
    let mut lab = Lab::new();
    let address = lab.lease_as(&Packet::new(DISCOVER, 9).option(12, b"tv")).yiaddr();
    let mut settings = settings();
    settings.hosts.push(host("tv", Some(mac(40)), ip(5)));
    lab.server.reconfigure(settings, lab.now);
    lab.drain();
    assert_eq!((lab.name_of(address), lab.name_of(ip(5)).as_deref()), (None, Some("tv")));
    lab.restart();
    assert_eq!((lab.name_of(address), lab.name_of(ip(5)).as_deref()), (None, Some("tv")));
}
