//! Whole files in, whole files out; and dnsmasq's own example, of which nothing may get lost.

mod differences;

use super::ledger::Fate;
use super::{Imported, Kind, import};
use gatepost_core::config::{self, Addressing};
use std::path::Path;

/// Where Debian's package puts dnsmasq's example.
const EXAMPLE: &str = "/usr/share/doc/dnsmasq-base/examples/dnsmasq.conf.example";

fn of(kind: Kind, text: &str) -> Imported {
    import(&[(kind, "file".into(), text.into())])
}

/// The fates of all directives of a dnsmasq file, in words.
fn fates(text: &str) -> Vec<String> {
    let imported = of(Kind::Dnsmasq, text);
    let entries = imported.ledger.entries.iter().filter(|entry| entry.line > 0);
    let word = |fate: &Fate| match fate {
        Fate::Taken => "taken",
        Fate::Nearly(_) => "nearly",
        Fate::Anyway(_) => "anyway",
        Fate::Left(_) => "left",
    };
    entries.map(|entry| format!("{} {}", entry.line, word(&entry.fate))).collect()
}

fn seed() -> Imported {
    let file = |kind, name: &str, text: &str| (kind, name.to_string(), text.to_string());
    import(&[
        file(Kind::Netplan, "netplan.yaml", include_str!("fixtures/netplan.yaml")),
        file(Kind::Dnsmasq, "dnsmasq.conf", include_str!("fixtures/dnsmasq.conf")),
        file(Kind::Hosts, "hosts", include_str!("fixtures/hosts")),
        file(Kind::Iptables, "rules.txt", include_str!("fixtures/rules.txt")),
    ])
}

#[test]
fn a_cluster_set_up_by_hand_becomes_one_file() {
    let imported = seed();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/import/fixtures/gateway.toml");
        std::fs::write(path, &imported.toml).unwrap();
    }
    assert_eq!(imported.toml, include_str!("fixtures/gateway.toml"));
    let config = config::parse(imported.toml.as_bytes()).expect("the gateway takes it");
    assert_eq!((config.hostname.as_str(), config.domain.as_str()), ("rpi1", "mydomain.net"));
    assert_eq!((config.uplink.interface.as_str(), config.lan.interface.as_str()), ("wlan0", "eth0"));
    let Addressing::Static { address, gateway } = config.uplink.addressing else { panic!("a fixed address") };
    assert_eq!((address.to_string(), gateway.unwrap().to_string()), ("192.168.0.51/24".into(), "192.168.0.1".into()));
    assert_eq!(config.hosts.len(), 3);
    assert!(!imported.report.contains("would not take"), "{}", imported.report);
    assert!(
        imported.report.contains("dnsmasq.conf:9:") && imported.report.contains("add its `mac`"),
        "{}",
        imported.report
    );
}

#[test]
fn a_passphrase_is_in_the_file_and_nowhere_else() {
    let imported = seed();
    assert_eq!(imported.toml.matches("MY-PASSWORD").count(), 1);
    assert!(!imported.report.contains("MY-PASSWORD"));
}

#[test]
fn hosts_of_dnsmasq_in_any_order() {
    let text = "dhcp-host=10:22:33:44:55:66,12:34:56:78:90:12,lap,10.0.0.60,45m,set:red
        dhcp-host=id:01:22:33,printer,infinite
        dhcp-host=bert,10.0.0.70
        dhcp-host=10:22:33:44:55:67,ignore";
    let toml = of(Kind::Dnsmasq, text).toml;
    for line in [
        r#"mac = ["10:22:33:44:55:66", "12:34:56:78:90:12"]"#,
        r#"lease = "45m""#,
        r#"tags = ["red"]"#,
        r#"client_id = "01:22:33""#,
        r#"lease = "365d""#,
        "ignore = true",
    ] {
        assert!(toml.contains(line), "{line} is missing:\n{toml}");
    }
}

#[test]
fn options_by_name_by_number_and_as_bytes() {
    let text = "dhcp-option=option:ntp-server,10.0.0.9
        dhcp-option=119,eng.example.com,example.com
        dhcp-option=tag:red,option:mtu,1400
        dhcp-option=224,01:0a:ff
        dhcp-option=3,10.9.9.9
        dhcp-option=6,0.0.0.0
        dhcp-option=vendor:MSFT,2,1i
        dhcp-mac=set:red,00:60:8C:*:*:*";
    let imported = of(Kind::Dnsmasq, text);
    for line in
        [r#"name = "ntp-server""#, r#"value = ["eng.example.com", "example.com"]"#, "value = 1400", "code = 224"]
    {
        assert!(imported.toml.contains(line), "{line} is missing:\n{}", imported.toml);
    }
    assert!(imported.toml.contains(r#"hex = "01 0a ff""#) && imported.toml.contains(r#"value = ["10.9.9.9"]"#));
    assert_eq!(
        fates(text),
        ["1 taken", "2 taken", "3 taken", "4 taken", "5 taken", "6 anyway", "7 left", "8 taken"],
        "{}",
        imported.report
    );
}

#[test]
fn names_and_servers() {
    let text = "domain=lab.example.org
        server=/corp.example/10.9.9.9#5353
        rev-server=10.9.0.0/16,10.9.9.9
        server=9.9.9.9@eth1
        local=/lab.example.org/
        address=/double-click.example/127.0.0.1
        cname=www,rpi2
        srv-host=_ldap._tcp.example.com,ldap.example.com,389
        mx-host=example.com,mail.example.com,50
        txt-record=example.com,\"v=spf1 a -all\"
        host-record=laptop,laptop.lab.example.org,10.0.0.7";
    let imported = of(Kind::Dnsmasq, text);
    for line in [
        r#"upstream = ["10.9.9.9:5353"]"#,
        r#"domain = "9.10.in-addr.arpa""#,
        r#"upstream = ["9.9.9.9"]"#,
        r#"name = "*.double-click.example""#,
        r#"value = "0 0 389 ldap.example.com""#,
        r#"value = "50 mail.example.com""#,
        r#"value = "v=spf1 a -all""#,
        r#"value = "10.0.0.7""#,
    ] {
        assert!(imported.toml.contains(line), "{line} is missing:\n{}", imported.toml);
    }
    config::parse(imported.toml.as_bytes()).unwrap_or_else(|_| panic!("{}\n{}", imported.toml, imported.report));
}

#[test]
fn what_has_no_place_is_listed_with_its_line_and_a_cure() {
    let text = "# a comment\n\ntftp-root=/srv\nnonsense=7 # why\ndhcp-range=fd00::,ra-only\n";
    let report = of(Kind::Dnsmasq, text).report;
    for line in
        ["file:3: tftp-root=/srv: put its files", "file:4: nonsense=7: ", "file:5: dhcp-range=fd00::,ra-only: IPv6"]
    {
        assert!(report.contains(line), "{line} is missing:\n{report}");
    }
}

#[test]
fn booting_a_pi_from_dnsmasq_becomes_the_netboot_section() {
    let imported =
        of(Kind::Dnsmasq, "enable-tftp\npxe-service=0,\"Raspberry Pi Boot   \"\npxe-service=x86PC,menu,pxelinux\n");
    assert!(imported.toml.contains("[netboot]\nserve = true"), "{}", imported.toml);
    assert!(config::parse(imported.toml.as_bytes()).unwrap().netboot.serve);
    assert!(
        !imported.report.contains("file:1: ") && imported.report.contains("file:3: pxe-service"),
        "{}",
        imported.report
    );
}

#[test]
fn a_second_interface_and_a_bridge_are_listed() {
    let text = "network:\n  renderer: networkd\n  bridges:\n    br0: {interfaces: [eth0]}\n  ethernets:\n    eth0: {dhcp4: true}\n    \
                eth1: {dhcp4: yes, addresses: [fe80::1/64]}\n";
    let imported = of(Kind::Netplan, text);
    assert!(
        imported.report.contains("file:3: bridges") && imported.report.contains("file:4: br0"),
        "{}",
        imported.report
    );
    assert!(imported.report.contains("file:7: addresses: left out"), "{}", imported.report);
    let broken = of(Kind::Netplan, "network:\n\t- x: [").report;
    assert!(broken.contains("the file is no YAML"), "{broken}");
}

#[test]
fn port_forwards_of_iptables() {
    let text = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i eth1 -p tcp -m tcp --dport 8080 -j DNAT --to-destination \
                10.0.0.2:80\n-A PREROUTING -p udp --dport 6000:6010 -j DNAT --to-destination 10.0.0.3\n-A PREROUTING -j \
                MARK --set-mark 1\nCOMMIT\n";
    let imported = of(Kind::Iptables, text);
    for line in ["port = 8080", "to_port = 80", r#"port = "6000-6010""#, r#"to = "10.0.0.3""#] {
        assert!(imported.toml.contains(line), "{line} is missing:\n{}", imported.toml);
    }
    assert!(imported.report.contains("file:5: -A PREROUTING -j MARK"), "{}", imported.report);
}

/// The fate of each line of a file of rules, with its advice.
fn rules(text: &str) -> Vec<Fate> {
    of(Kind::Iptables, text).ledger.entries.into_iter().filter(|entry| entry.line > 0).map(|entry| entry.fate).collect()
}

#[test]
fn a_port_forward_for_some_is_never_opened_to_everybody() {
    let dnat = "-A PREROUTING -i eth1 -p tcp --dport 22 -j DNAT --to-destination 10.0.0.2";
    let closed = format!("-P FORWARD DROP\n{dnat}");
    for text in [
        "-A PREROUTING -s 203.0.113.7 -p tcp --dport 22 -j DNAT --to-destination 10.0.0.2",
        "-A PREROUTING -d 198.51.100.1 -p tcp --dport 22 -j DNAT --to-destination 10.0.0.2",
        "-A PREROUTING ! -s 203.0.113.7 -p tcp --dport 22 -j DNAT --to-destination 10.0.0.2",
        "-A PREROUTING ! -i eth1 -p tcp --dport 22 -j DNAT --to-destination 10.0.0.2",
        "-A PREROUTING -p tcp -m limit --limit 1/s --dport 22 -j DNAT --to-destination 10.0.0.2",
        "-A PREROUTING -p tcp -m multiport --dports 22,80 -j DNAT --to-destination 10.0.0.2",
        // Narrowed by a rule of its own, or never let in.
        &format!("{dnat}\n-A FORWARD -s 203.0.113.7 -d 10.0.0.2/32 -p tcp --dport 22 -j ACCEPT"),
        &format!("{dnat}\n-A FORWARD -s 198.51.100.0/24 -j DROP"),
        &format!("-A FORWARD -j DOCKER\n{dnat}"),
        &format!("-A PREROUTING -s 198.51.100.0/24 -j RETURN\n{dnat}"),
        &closed,
    ] {
        let imported = of(Kind::Iptables, text);
        assert!(!imported.toml.contains("[[forward]]\nprotocol"), "{text}\n{}", imported.toml);
        assert!(imported.report.contains("`[[forward]]`"), "{text}: {}", imported.report);
    }
    let open =
        format!("{closed}\n-A FORWARD -i eth1 -d 10.0.0.2/32 -p tcp -m tcp --dport 22 -m state --state NEW -j ACCEPT");
    for text in [&open, &format!("{closed}\n-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT"), dnat] {
        let text = format!("-A POSTROUTING -o eth1 -j MASQUERADE\n{text}");
        assert!(of(Kind::Iptables, &text).toml.contains("[[forward]]\nprotocol"), "{text}");
    }
}

#[test]
fn what_the_gateway_lets_out_is_not_said_to_be_dropped() {
    for rule in [
        "-A FORWARD -i eth0 -p tcp --dport 25 -j DROP",
        "-A FORWARD -p udp -j REJECT --reject-with icmp-port-unreachable",
        "-A FORWARD -i eth0 -j DROP",
        "-A FORWARD ! -i eth1 -j DROP",
        "-I FORWARD -j DROP",
        "-A FORWARD -s 10.0.0.9 -j DROP",
        "-A FORWARD -m mac --mac-source 00:11:22:33:44:55 -j DROP",
        "-A INPUT -i eth0 -p tcp --dport 53 -j DROP",
    ] {
        let text = format!("-A POSTROUTING -o eth1 -j MASQUERADE\n{rule}");
        assert!(matches!(&rules(&text)[..], [Fate::Anyway(_), Fate::Left(_)]), "{rule}: {:?}", rules(&text));
    }
    for rule in [
        "-A FORWARD -j DROP",
        "-A FORWARD -i eth1 -o eth0 -j REJECT --reject-with icmp-host-prohibited",
        "-A INPUT -i eth1 -j DROP",
        "-A FORWARD -m conntrack --ctstate INVALID -j DROP",
        ":FORWARD DROP [0:0]",
    ] {
        let text = format!("-A POSTROUTING -o eth1 -j MASQUERADE\n{rule}");
        assert!(matches!(&rules(&text)[..], [Fate::Anyway(_), Fate::Anyway(_)]), "{rule}: {:?}", rules(&text));
    }
}

#[test]
fn only_the_way_out_is_said_to_be_open() {
    let fate = |rule: &str| rules(&format!("-A POSTROUTING -o eth1 -j MASQUERADE\n{rule}")).pop().unwrap();
    for rule in [
        "-A FORWARD -i eth1 -o eth0 -j ACCEPT",
        "-A FORWARD -i eth1 -j ACCEPT",
        "-A FORWARD -j ACCEPT",
        "-A FORWARD -i eth0 -o tun0 -d 10.8.0.0/16 -j ACCEPT",
        "-A FORWARD ! -i eth0 -o eth1 -j ACCEPT",
        "-A FORWARD -i eth0 -o eth1 -m time --timestart 08:00 -j ACCEPT",
        "-A FORWARD -i eth0 -o eth1 -p tcp --dport 443 -j ACCEPT",
        "-A FORWARD -i eth1 -p tcp --dport 80 -d 10.0.0.2 -j ACCEPT",
        "-A INPUT -j ACCEPT",
        "-A INPUT -i eth1 -p tcp --dport 22 -j ACCEPT",
        "-P FORWARD ACCEPT",
        "net.ipv4.ip_forward=0",
        "-A POSTROUTING -o eth0 -j MASQUERADE",
    ] {
        assert!(matches!(fate(rule), Fate::Left(_)), "{rule}: {:?}", fate(rule));
    }
    for rule in [
        "-A FORWARD -i eth0 -o eth1 -j ACCEPT",
        "iptables -w -I FORWARD 1 -i eth0 -m comment --comment \"the LAN goes out\" -j ACCEPT",
        "-A FORWARD -i eth0 -o eth1 -m conntrack --ctstate NEW,ESTABLISHED,RELATED -j ACCEPT",
        "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A INPUT -p icmp --icmp-type echo-request -j ACCEPT",
        "-A INPUT -i lo -j ACCEPT",
        "-A INPUT -i eth0 -j ACCEPT",
        "sysctl -w net.ipv4.ip_forward=1",
    ] {
        assert!(matches!(fate(rule), Fate::Anyway(_)), "{rule}: {:?}", fate(rule));
    }
    // Without a word about which interface is which, nothing is assumed.
    assert!(matches!(rules("-A FORWARD -i eth1 -o eth0 -j ACCEPT")[..], [Fate::Left(_)]));
}

#[test]
fn dnsmasqs_own_example_loses_no_directive() {
    let Ok(example) = std::fs::read_to_string(EXAMPLE) else {
        eprintln!("skipped: {EXAMPLE} is not there; the package dnsmasq-base brings it");
        return;
    };
    assert!(of(Kind::Dnsmasq, &example).toml.trim().is_empty(), "everything in it is a comment");
    // With each directive switched on, all at once.
    let on = switched_on(&example);
    let fates = fates(&on.join("\n"));
    assert!(on.len() > 80, "{} directives", on.len());
    assert_eq!(fates.len(), on.len(), "each has one fate");
    let unknown = of(Kind::Dnsmasq, &on.join("\n")).report;
    let unknown: Vec<&str> = unknown.lines().filter(|line| line.contains("has no such directive")).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
}

fn switched_on(example: &str) -> Vec<&str> {
    let is_directive = |line: &&str| line.starts_with('#') && line[1..].starts_with(|c: char| c.is_ascii_lowercase());
    example.lines().filter(is_directive).map(|line| &line[1..]).collect()
}

/// Each directive of the example alone: what is not listed as left gives a file that the gateway takes, and the one that
/// is expected.
#[test]
fn each_directive_of_dnsmasqs_example_alone() {
    let Ok(example) = std::fs::read_to_string(EXAMPLE) else {
        eprintln!("skipped: {EXAMPLE} is not there; the package dnsmasq-base brings it");
        return;
    };
    // Its hardware addresses are those of groups, which no machine has.
    let example = example.replace("11:22:33", "10:22:33");
    let mut text = String::new();
    for (directive, number) in switched_on(&example).into_iter().zip(1..) {
        let imported = of(Kind::Dnsmasq, directive);
        let fates = fates(directive);
        let [fate] = fates.as_slice() else { panic!("{directive}: {fates:?}") };
        let key = directive.split(['=', ' ']).next().unwrap_or_default();
        text += &format!("{number} {key}: {}\n", fate.trim_start_matches("1 "));
        let lines = imported.toml.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let toml: String = lines.map(|line| format!("    {line}\n")).collect();
        if let Err(problems) = config::parse(imported.toml.as_bytes()) {
            panic!("{directive}: {}: {:?}", imported.toml, problems.list());
        }
        if fate.contains("taken") || fate.contains("nearly") {
            assert!(!toml.is_empty(), "{directive} is taken, and nowhere");
        } else {
            assert!(toml.is_empty(), "{directive} is {fate}, and there:\n{toml}");
        }
        text += &toml;
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/import/fixtures/example.txt");
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(text, include_str!("fixtures/example.txt"));
}
