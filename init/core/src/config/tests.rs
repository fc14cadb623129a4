//! The messages are the product's face: each is pinned word for word.

use super::*;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use core::net::SocketAddrV4;
use proptest::prelude::*;

/// What `parse` says about a file that it must refuse.
fn refused(bytes: &[u8]) -> String {
    parse(bytes).expect_err("the file must be refused").to_string()
}

/// The file must be refused with exactly these messages, one a line.
#[track_caller]
fn check(file: &str, messages: &str) {
    assert_eq!(refused(file.as_bytes()), messages, "\nfor the file:\n{file}");
}

const EXAMPLE: &str = r#"
hostname = "rpi1"
domain = "mydomain.net"

[uplink]
interface = "wlan0"
country = "US"
wifi = [{ ssid = "MY-WIFI-NAME", passphrase = "MY-PASSWORD" }]
address = "192.168.0.51/24"          # leave out for DHCP
gateway = "192.168.0.1"

[lan]
interface = "eth0"
address = "10.0.0.1/24"

[dhcp]
pool = "10.0.0.10-10.0.0.128"
lease = "12h"

[[host]]
name = "rpi2"
mac = "dc:a6:32:00:00:02"
address = "10.0.0.2"

[[host]]
name = "RPI3"
address = "10.0.0.3"

[dns]
upstream = ["8.8.8.8", "8.8.4.4:5353"]
log_queries = true
"#;

fn example() -> Config {
    Config {
        hostname: "rpi1".into(),
        domain: "mydomain.net".into(),
        uplink: Uplink {
            interface: "wlan0".into(),
            country: Some(*b"US"),
            wifi: vec![WifiNetwork {
                ssid: "MY-WIFI-NAME".into(),
                passphrase: Some("MY-PASSWORD".into()),
                ..WifiNetwork::default()
            }],
            wifi_offload: false,
            addressing: Addressing::Static {
                address: "192.168.0.51/24".parse().unwrap(),
                gateway: Some(Ipv4Addr::new(192, 168, 0, 1)),
            },
        },
        lan: Lan { interface: "eth0".into(), address: "10.0.0.1/24".parse().unwrap(), alternative: None },
        dhcp: Dhcp::new((Ipv4Addr::new(10, 0, 0, 10), Ipv4Addr::new(10, 0, 0, 128))),
        dns: Dns {
            upstream: ["8.8.8.8:53", "8.8.4.4:5353"]
                .map(|server| server.parse::<SocketAddrV4>().unwrap().into())
                .into(),
            log_queries: true,
            ..Dns::default()
        },
        ntp: Ntp::default(),
        hosts: vec![
            Host {
                name: "rpi2".into(),
                macs: vec!["dc:a6:32:00:00:02".parse().unwrap()],
                address: Some(Ipv4Addr::new(10, 0, 0, 2)),
                ..Host::default()
            },
            Host { name: "rpi3".into(), address: Some(Ipv4Addr::new(10, 0, 0, 3)), ..Host::default() },
        ],
        ..Config::default()
    }
}

#[test]
fn a_whole_setup_parses() {
    assert_eq!(parse(EXAMPLE.as_bytes()), Ok(example()));
}

#[test]
fn windows_editors_are_welcome() {
    let windows = format!("\u{feff}{}", EXAMPLE.replace('\n', "\r\n"));
    assert_eq!(parse(windows.as_bytes()), Ok(example()));
    check(
        "\u{feff}hostname = 5\r\n",
        "gateway.toml:1:12: hostname: this must be text in quotes, but is a number without quotes; write hostname = \"...\"",
    );
}

#[test]
fn an_empty_file_is_the_default() {
    for empty in ["", "\n\n", "# nothing\r\n", "\u{feff}", "[uplink]\n[lan]\n[dhcp]\n[dns]\n", "host = []"] {
        assert_eq!(parse(empty.as_bytes()), Ok(Config::default()), "{empty:?}");
    }
    let default = Config::default();
    assert_eq!(default.lan.address.to_string(), "10.0.0.1/24");
    assert_eq!(default.dhcp.pool, (Ipv4Addr::new(10, 0, 0, 10), Ipv4Addr::new(10, 0, 0, 128)));
    assert_eq!((default.uplink.interface.as_str(), default.lan.interface.as_str()), ("eth1", "eth0"));
}

#[test]
fn the_uplink_interface_follows_from_the_rest() {
    let interface = |file: &str| parse(file.as_bytes()).unwrap().uplink.interface;
    assert_eq!(interface("[uplink]\nwifi = [{ ssid = \"CAFE\" }]"), "wlan0");
    assert_eq!(interface("[uplink]\ninterface = \"wlan1\"\nwifi = [{ ssid = \"CAFE\" }]"), "wlan1");
    assert_eq!(interface("[lan]\ninterface = \"eth1\""), "eth0");
}

#[test]
fn the_pool_follows_the_lan() {
    let config = parse(b"[lan]\naddress = \"172.16.9.1/25\"").unwrap();
    assert_eq!(config.dhcp.pool, (Ipv4Addr::new(172, 16, 9, 5), Ipv4Addr::new(172, 16, 9, 64)));
}

#[test]
fn mistakes_in_the_toml_are_explained() {
    for (file, message) in [
        ("hostname = rpi1", "1:12: text must stand in quotes; put a straight quotation mark, \", before and after it"),
        (
            "[lan]\naddress = 10.0.0.1/24",
            "2:15: text must stand in quotes; put a straight quotation mark, \", before and after it",
        ),
        (
            "hostname = \"rpi1",
            "1:17: a text has no closing quotation mark on its line; put a straight quotation mark, \", before and after the text",
        ),
        (
            "hostname = \u{201c}rpi1\u{201d}",
            "1:12: this line has curly quotation marks; use the straight one, \", on both sides",
        ),
        ("hostname : \"rpi1\"", "1:10: there is a colon where a = belongs; write key = \"value\""),
        ("hostname", "1:9: a key has no value; write key = \"value\", or put # before a remark"),
        ("hostname =", "1:11: a key has no value; write key = \"value\", or put # before a remark"),
        ("hostname == \"a\"", "1:11: there is one = too many; write key = \"value\""),
        (
            "hostname = \"a\" \"b\"",
            "1:16: there is more on this line than one key and its value; begin a new line for each key, and put # before a remark",
        ),
        ("hostname = \"a\\q\"", "1:15: a text holds a backslash; write every backslash twice, as \\\\"),
        ("hostname = \"a\"\nhostname = \"b\"", "2:1: this key or section stands in the file twice; keep one of them"),
        ("[lan]\n[dhcp]\n[lan]", "3:2: this key or section stands in the file twice; keep one of them"),
        ("[lan", "1:5: a section heading is not well formed; write it alone on its line, as in [lan]"),
        (
            "[dns]\nlog_queries = True",
            "2:15: text must stand in quotes, and true and false in small letters; write key = \"value\", key = true or key = false",
        ),
        (
            "[dns]\nupstream = [\"8.8.8.8\" \"8.8.4.4\"]",
            "2:23: a list is not well formed; write [\"one\", \"two\"], with a comma between the entries",
        ),
        (
            "[uplink]\nwifi = [{ ssid = \"a\" passphrase = \"b\" }]",
            "2:22: a group in braces is not well formed; write { name = \"value\", name = \"value\" } on one line",
        ),
    ] {
        check(file, &format!("gateway.toml:{message}"));
    }
}

#[test]
fn unknown_keys_get_a_suggestion() {
    for (file, message) in [
        ("hostnam = \"x\"", "1:1: hostnam: this key is not known here; did you mean hostname?"),
        ("[upling]", "1:2: upling: this key is not known here; did you mean uplink?"),
        ("[lan]\nAddress = \"10.0.0.1/24\"", "2:1: lan.Address: this key is not known here; did you mean address?"),
        ("[[hosts]]", "1:3: hosts: this key is not known here; did you mean [[host]]?"),
        ("[uplink]\ngateway4 = \"x\"", "2:1: uplink.gateway4: this key is not known here; did you mean gateway?"),
        ("[lan]\npool = \"x\"", "2:1: lan.pool: this key is not known here; it belongs in [dhcp]"),
        (
            "[lan]\nhostname = \"x\"",
            "2:1: lan.hostname: this key is not known here; move hostname to the top of the file, before the first [section]",
        ),
        (
            "[dhcp]\nntpd = true",
            "2:1: dhcp.ntpd: this key is not known here; the keys of [dhcp] are pool, lease, log, probe, rapid_commit, unknown, offers_per_second, option, match and boot",
        ),
        ("vlan = 1", "1:1: vlan: this key is not known here; did you mean lan?"),
        (
            "\"a\\u001b[31m\" = 1",
            "1:1: \"a\\u{1b}[31m\": this key is not known here; the sections and keys are hostname, domain, uplink, lan, dhcp, host, dns, firewall, forward, netboot and ntp",
        ),
    ] {
        check(file, &format!("gateway.toml:{message}"));
    }
}

#[test]
fn wrong_types_are_named() {
    for (file, message) in [
        (
            "lan = 5",
            "1:7: lan: this must be a section, but is a number without quotes; write a line [lan] and the section's keys below it",
        ),
        ("[[lan]]", "1:1: lan: there is only one [lan] section; write [lan] with single brackets, once"),
        (
            "[host]\nname = \"a\"",
            "1:1: host: this must be a list of entries, but is a section; write a line [[host]], with double brackets, above the keys of each host",
        ),
        (
            "[dns]\nupstream = \"8.8.8.8\"",
            "2:12: dns.upstream: this must be a list, but is text; put it in square brackets: upstream = [\"...\"]",
        ),
        (
            "[dns]\nlog_queries = \"true\"",
            "2:15: dns.log_queries: this must be true or false, but is text; write log_queries = true or log_queries = false, without quotes",
        ),
        (
            "[dhcp]\nlease = 12",
            "2:9: dhcp.lease: this must be text in quotes, but is a number without quotes; write lease = \"...\"",
        ),
        (
            "[uplink]\nwifi = \"NAME\"",
            "2:8: uplink.wifi: this must be a list of entries, but is text; write wifi = [{ ssid = \"NAME\", passphrase = \"PASSWORD\" }]",
        ),
    ] {
        check(file, &format!("gateway.toml:{message}"));
    }
}

#[test]
fn names_are_explained() {
    for (file, message) in [
        (
            "hostname = \"my gateway\"",
            "1:12: hostname: \"my gateway\": a name may only hold the letters a to z, digits and hyphens; write one short name such as \"gatepost\"",
        ),
        (
            "hostname = \"gw.home\"",
            "1:12: hostname: \"gw.home\": a host name has no dots; write one short name such as \"gatepost\"",
        ),
        (
            "hostname = \"localhost\"",
            "1:12: hostname: localhost has a meaning of its own and cannot name the gateway; write one short name such as \"gatepost\"",
        ),
        (
            "domain = \"home.local\"",
            "1:10: domain: \"home.local\": this ending has a fixed meaning of its own and cannot be a network's domain; write a domain of yours such as \"mydomain.net\", or leave the line out for \"home.arpa\"",
        ),
        (
            "[lan]\ninterface = \"eth 0\"",
            "2:13: lan.interface: \"eth 0\": this is not the name of a network interface; write a name such as \"eth0\"",
        ),
        (
            "[uplink]\ncountry = \"Germany\"",
            "2:11: uplink.country: \"Germany\" is not a country code of two letters; write the code of the country you are in, such as \"US\" or \"DE\"",
        ),
    ] {
        check(file, &format!("gateway.toml:{message}"));
    }
}

#[test]
fn networks_that_do_not_fit_are_explained() {
    for (file, message) in [
        (
            "[lan]\naddress = \"10.0.0.1\"",
            "2:11: lan.address: \"10.0.0.1\" is not an address with the size of its network; write it as \"10.0.0.1/24\"",
        ),
        (
            "[lan]\naddress = \"10.0.0.1/31\"",
            "2:11: lan.address: the network size /31 is outside /8 to /30; write it as \"10.0.0.1/24\"",
        ),
        (
            "[lan]\naddress = \"10.0.0.1/7\"",
            "2:11: lan.address: the network size /7 is outside /8 to /30; write it as \"10.0.0.1/24\"",
        ),
        (
            "[lan]\naddress = \"127.0.0.1/24\"",
            "2:11: lan.address: 127.0.0.1 is an address with a special meaning; write it as \"10.0.0.1/24\"",
        ),
        (
            "[lan]\naddress = \"10.0.0.0/24\"",
            "2:11: lan.address: 10.0.0.0 is the first or last address of 10.0.0.0/24, which no machine may have; write for instance 10.0.0.1/24",
        ),
        (
            "[lan]\nalternative = \"10.0.0.77/24\"",
            "2:15: lan.alternative: 10.0.0.77/24 overlaps lan.address 10.0.0.1/24; write a network that has no address in common with it",
        ),
        (
            "[lan]\nalternative = \"10.77.0.1/16\"",
            "2:15: lan.alternative: 10.77.0.1/16 and lan.address 10.0.0.1/24 differ in size; write it with /24",
        ),
        (
            "[uplink]\ninterface = \"eth0\"",
            "2:13: uplink.interface: eth0 is the LAN's interface too; the internet and the LAN need an interface each, such as \"eth1\" and \"eth0\"",
        ),
        (
            "[uplink]\ngateway = \"192.168.0.1\"",
            "2:11: uplink.gateway: a gateway needs a fixed address beside it; add uplink.address, or remove this line to get both from the network (DHCP)",
        ),
        (
            "[uplink]\naddress = \"192.168.0.5/24\"",
            "2:11: uplink.address: with a fixed address nobody tells the gateway which DNS servers to ask; add upstream = [\"9.9.9.9\"] or your router's address under [dns]",
        ),
        (
            "[dns]\nupstream = [\"9.9.9.9\"]\n[uplink]\naddress = \"10.0.0.5/16\"",
            "4:11: uplink.address: 10.0.0.5/16 overlaps the LAN 10.0.0.1/24; choose another lan.address, such as \"10.77.0.1/24\"",
        ),
        (
            "[dns]\nupstream = [\"9.9.9.9\"]\n[uplink]\naddress = \"192.168.0.5/24\"\ngateway = \"192.168.1.1\"",
            "5:11: uplink.gateway: 192.168.1.1 is not a machine of the uplink's network 192.168.0.5/24; write the address of your router in that network",
        ),
        (
            "[dns]\nupstream = [\"9.9.9.9\"]\n[uplink]\naddress = \"192.168.0.5/24\"\ngateway = \"192.168.0.5\"",
            "5:11: uplink.gateway: 192.168.0.5 is this machine's own address; write the address of your router in that network",
        ),
    ] {
        check(file, &format!("gateway.toml:{message}"));
    }
}

#[test]
fn pools_and_leases_that_do_not_fit_are_explained() {
    for (key, message) in [
        (
            "pool = \"10.0.0.10-10.0.1.10\"",
            "8: dhcp.pool: 10.0.1.10 lies outside the LAN 10.0.0.1/24; write a range inside it, such as 10.0.0.10-10.0.0.128",
        ),
        (
            "pool = \"10.0.0.128-10.0.0.10\"",
            "8: dhcp.pool: the first address 10.0.0.128 is above the last one 10.0.0.10; write 10.0.0.10-10.0.0.128",
        ),
        (
            "pool = \"10.0.0.1-10.0.0.128\"",
            "8: dhcp.pool: the range holds the gateway's own address 10.0.0.1; write a range beside it, such as 10.0.0.10-10.0.0.128",
        ),
        (
            "pool = \"10.0.0.2-10.0.0.255\"",
            "8: dhcp.pool: 10.0.0.255 is the first or last address of the LAN 10.0.0.1/24, which no machine may have; write a range inside it, such as 10.0.0.10-10.0.0.128",
        ),
        (
            "pool = \"10.0.0.10\"",
            "8: dhcp.pool: \"10.0.0.10\" is not a range of addresses; write first and last with a hyphen between them, as in \"10.0.0.10-10.0.0.128\"",
        ),
        (
            "lease = \"forever\"",
            "9: dhcp.lease: \"forever\" is not a time; write a number and s, m, h or d, such as \"30m\", \"12h\" or \"7d\"",
        ),
        (
            "lease = \"119s\"",
            "9: dhcp.lease: a lease shorter than 2 minutes keeps every machine busy asking; write at least \"2m\"; \"12h\" is usual",
        ),
        (
            "lease = \"366d\"",
            "9: dhcp.lease: a lease is longer than 365 days; write at most \"365d\"; \"12h\" is usual",
        ),
    ] {
        check(&format!("[dhcp]\n{key}"), &format!("gateway.toml:2:{message}"));
    }
    check(
        "[lan]\naddress = \"10.0.0.1/15\"\n[dhcp]\npool = \"10.0.1.0-10.1.1.0\"",
        "gateway.toml:4:8: dhcp.pool: the range has 65537 addresses, and the gateway leases at most 65536; write a smaller range",
    );
    assert!(
        parse(b"[lan]\naddress = \"10.0.0.1/16\"\n[dhcp]\npool = \"10.0.1.0-10.0.16.255\"\nlease = \"365d\"").is_ok()
    );
}

#[test]
fn hosts_that_do_not_fit_are_explained() {
    const TWO: &str = "[[host]]\nname = \"a\"\nmac = \"dc:a6:32:00:00:02\"\naddress = \"10.0.0.2\"\n[[host]]\n";
    for (host, message) in [
        (
            "name = \"A\"\naddress = \"10.0.0.3\"",
            "6:8: host.name: another host is called a already; give each host a name of its own",
        ),
        (
            "name = \"b\"\naddress = \"10.0.0.2\"",
            "7:11: host.address: 10.0.0.2 belongs to the host \"a\" already; give each host an address of its own",
        ),
        (
            "name = \"b\"\naddress = \"10.0.0.3\"\nmac = \"DC-A6-32-00-00-02\"",
            "8:7: host.mac: another host has the hardware address dc:a6:32:00:00:02 already; give each host its own",
        ),
        (
            "name = \"b\"\naddress = \"10.0.0.1\"",
            "7:11: host.address: 10.0.0.1 is the gateway's own address; choose another address of the LAN",
        ),
        (
            "name = \"b\"\naddress = \"10.0.1.2\"",
            "7:11: host.address: 10.0.1.2 lies outside the LAN 10.0.0.1/24; write an address of the LAN",
        ),
        (
            "name = \"b\"\naddress = \"10.0.0.255\"",
            "7:11: host.address: 10.0.0.255 is the first or last address of the LAN 10.0.0.1/24, which no machine may have; choose another address of the LAN",
        ),
        (
            "name = \"gatepost\"\naddress = \"10.0.0.3\"",
            "6:8: host.name: gatepost is the gateway's own name; remove this host: the gateway is in the list of names by itself",
        ),
        (
            "name = \"wpad\"\naddress = \"10.0.0.3\"",
            "6:8: host.name: wpad has a meaning of its own and cannot name a host; choose another name",
        ),
        (
            "name = \"my_tv\"\naddress = \"10.0.0.3\"",
            "6:8: host.name: \"my_tv\": a name may only hold the letters a to z, digits and hyphens; write a short name such as \"rpi2\"",
        ),
        (
            "name = \"b\"\naddress = \"10.0.0.3\"\nmac = \"ff:ff:ff:ff:ff:ff\"",
            "8:7: host.mac: ff:ff:ff:ff:ff:ff is not the address of one machine; write it as on the machine's label, such as \"dc:a6:32:00:00:02\"",
        ),
        (
            "name = \"b\"\naddress = \"10.0.0.3\"\nmac = \"ZZ:YY:XX:WW:VV:UU\"",
            "8:7: host.mac: \"ZZ:YY:XX:WW:VV:UU\" is not a hardware address; write it as on the machine's label, such as \"dc:a6:32:00:00:02\"",
        ),
        ("address = \"10.0.0.3\"", "5:1: host.name: this host has no name; add name = \"rpi2\" to it"),
        (
            "name = \"b\"",
            "5:1: host.address: this host has neither an address nor a hardware address; add address = \"...\" with an address of the LAN, or mac = \"...\" to name the machine that has it",
        ),
    ] {
        check(&format!("{TWO}{host}"), &format!("gateway.toml:{message}"));
    }
}

#[test]
fn upstreams_that_do_not_fit_are_explained() {
    for (server, message) in [
        (
            "tls://9.9.9.9",
            "\"tls://9.9.9.9\": the name of the server's certificate is missing; write it as \"tls://9.9.9.9#dns.quad9.net\", the server's address and the name that its certificate holds",
        ),
        ("2620:fe::fe", "\"2620:fe::fe\": IPv6 comes in a later release; write an address such as \"9.9.9.9\""),
        ("dns.google", "\"dns.google\": this is not the address of a server; write an address such as \"9.9.9.9\""),
        (
            "127.0.0.53",
            "127.0.0.53 is an address with a special meaning, no DNS server has it; write an address such as \"9.9.9.9\"",
        ),
        (
            "10.0.0.1",
            "10.0.0.1 is the gateway itself, which would ask itself for ever; write an address such as \"9.9.9.9\"",
        ),
    ] {
        check(&format!("[dns]\nupstream = [\"{server}\"]"), &format!("gateway.toml:2:13: dns.upstream: {message}"));
    }
    check(
        "[dns]\nupstream = [\"9.9.9.9\", \"9.9.9.9:53\"]",
        "gateway.toml:2:24: dns.upstream: 9.9.9.9:53 stands in the list twice; keep one of them",
    );
}

#[test]
fn files_that_are_no_text_are_explained() {
    const CURE: &str =
        "save it as plain text (UTF-8) with an editor such as Notepad, TextEdit in plain-text mode, or nano";
    let cases: [(&[u8], &str); 4] = [
        (b"\xff\xfeh\0o\0", "1:1: the file is saved as UTF-16 (\"Unicode\")"),
        (b"hostname = \"a\"\n# caf\xe9\n", "2:6: byte 6 of line 2 is not text, or not saved as UTF-8"),
        (b"\x7fELF\x02\x01\x01\0\0", "1:8: byte 8 of line 1 is not text, or not saved as UTF-8"),
        (&[0; 512], "1:1: byte 1 of line 1 is not text, or not saved as UTF-8"),
    ];
    for (bytes, what) in cases {
        assert_eq!(refused(bytes), format!("gateway.toml:{what}; {CURE}"));
    }
}

#[test]
fn large_files_are_refused_unread() {
    let blanks = vec![b' '; MAX_CONFIG_BYTES + 1];
    assert_eq!(
        refused(&blanks),
        "gateway.toml:1:1: the file is larger than 256 KiB; this is not a gateway.toml, which has a few lines of text; put the right file in its place"
    );
    assert_eq!(parse(blanks.split_last().unwrap().1), Ok(Config::default()));
}

#[test]
fn every_table_has_a_cap() {
    let host = |n: usize| format!("[[host]]\nname = \"h{n}\"\naddress = \"10.0.{}.{}\"\n", 1 + n / 200, 1 + n % 200);
    let file = |hosts: usize| format!("[lan]\naddress = \"10.0.0.1/16\"\n{}", (0..hosts).map(host).collect::<String>());
    let full = file(MAX_HOSTS);
    assert!(full.len() < MAX_CONFIG_BYTES);
    assert_eq!(parse(full.as_bytes()).unwrap().hosts.len(), MAX_HOSTS);
    assert!(refused(file(MAX_HOSTS + 1).as_bytes()).contains("there are more than 1024 hosts; remove some"));

    let servers: Vec<String> = (0..=MAX_UPSTREAMS).map(|n| format!("\"9.9.9.{}\"", n + 1)).collect();
    assert!(refused(format!("[dns]\nupstream = [{}]", servers.join(",")).as_bytes()).contains("more than 8 servers"));
    let networks: Vec<String> = (0..=MAX_WIFI).map(|n| format!("{{ ssid = \"{n}\" }}")).collect();
    assert!(refused(format!("[uplink]\nwifi = [{}]", networks.join(",")).as_bytes()).contains("more than 16 networks"));
}

#[test]
fn many_problems_are_counted_not_listed() {
    let file: String = (0..50).map(|n| format!("unknown{n} = 1\n")).collect();
    let problems = parse(file.as_bytes()).unwrap_err();
    assert_eq!((problems.list().len(), problems.unlisted()), (MAX_PROBLEMS, 30));
    assert!(problems.to_string().ends_with("\nand 30 more problems"));
}

#[test]
fn all_problems_are_told_at_once_and_in_order() {
    check(
        "hostname = \"a b\"\n[dhcp]\nlease = \"1s\"\npool = \"10.0.1.1-10.0.1.9\"\nfoo = 1\n[lan]\naddress = \"10.0.0.300/24\"\n",
        "gateway.toml:1:12: hostname: \"a b\": a name may only hold the letters a to z, digits and hyphens; write one short name such as \"gatepost\"\n\
         gateway.toml:3:9: dhcp.lease: a lease shorter than 2 minutes keeps every machine busy asking; write at least \"2m\"; \"12h\" is usual\n\
         gateway.toml:5:1: dhcp.foo: this key is not known here; the keys of [dhcp] are pool, lease, log, probe, rapid_commit, unknown, offers_per_second, option, match and boot\n\
         gateway.toml:7:11: lan.address: \"10.0.0.300/24\" is not an address with the size of its network; write it as \"10.0.0.1/24\"",
    );
}

#[test]
fn passphrases_stay_secret() {
    const SECRET: &str = "hunter2xyz";
    for entry in [
        "wifi = [{ ssid = \"a\", passphrase = \"hunter2xyz }]",
        "wifi = [{ ssid = \"a\", passphrase = hunter2xyz }]",
        "wifi = [{ ssid = \"a\", passphrase = 'hunter2xyz }]",
        "wifi = [{ ssid = \"a\", passphrase = \"\"\"hunter2xyz }]",
        "wifi = [{ ssid = \"a\", passphrase = \"hunter2xyz\\\" }]",
        "wifi = [{ ssid = \"a\", passphrase = \"\\hunter2xyz\" }]",
        "wifi = [{ ssid = \"a\", passphrase = \u{201c}hunter2xyz\u{201d} }]",
        "wifi = [{ ssid = \"a\", passphrase = [\"hunter2xyz\"] }]",
        "wifi = [{ ssid = \"a\", passphrase = { x = \"hunter2xyz\" } }]",
        "wifi = [{ ssid = \"a\", passphrase = \"hunter2xyz\u{e9}\" }]",
        "wifi = [{ ssid = \"a\", psk = \"hunter2xyz\" }]",
        "wifi = [{ ssid = \"a\", hunter2xyz = 1 }]",
        "wifi = [{ ssid = \"a\", \"hunter2xyz\" }]",
        "wifi = [\"hunter2xyz\"]",
        "wifi = \"hunter2xyz\"",
        "wifi = { ssid = \"a\", passphrase = \"hunter2xyz\" }",
        "wifi = [{ passphrase = \"hunter2xyz\" }]",
        "passphrase = \"hunter2xyz\"",
        "passphrase hunter2xyz",
        "passphrase: hunter2xyz",
    ] {
        let file = format!("[uplink]\n{entry}\n");
        let problems = parse(file.as_bytes()).expect_err(entry);
        assert!(!problems.to_string().contains("hunter2"), "{entry}: {problems}");
        assert!(!format!("{problems:?}").contains("hunter2"), "{entry}");
    }
    let sound = parse(format!("[uplink]\nwifi = [{{ ssid = \"a\", passphrase = \"{SECRET}\" }}]").as_bytes()).unwrap();
    assert!(!format!("{sound:?}").contains(SECRET));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&bytes).map_err(|problems| problems.to_string());
    }

    #[test]
    fn arbitrary_text_never_panics(text in "[a-z\\[\\]{}=\"'\\\\#.,0-9\\-/ \n\u{201c}é]{0,200}") {
        let _ = parse(text.as_bytes()).map_err(|problems| problems.to_string());
    }

    /// A sound file with one byte changed: parses or is refused, and what parses still fits together.
    #[test]
    fn one_changed_byte_never_breaks_the_rules(at in 0..EXAMPLE.len(), byte in any::<u8>()) {
        let mut bytes = EXAMPLE.as_bytes().to_vec();
        bytes[at] = byte;
        if let Ok(config) = parse(&bytes) {
            let (first, last) = config.dhcp.pool;
            prop_assert!(first <= last && config.lan.address.is_host(first) && config.lan.address.is_host(last));
            prop_assert!(config.hosts.iter().filter_map(|host| host.address).all(|own| config.lan.address.is_host(own)));
            prop_assert!(config.uplink.interface != config.lan.interface);
        }
    }
}

#[test]
fn wifi_networks_have_a_priority_and_limits() {
    let file = r#"
[uplink]
wifi_offload = true
wifi = [
  { ssid = "HOME", passphrase = "MY-PASSWORD", priority = 10, security = "wpa3" },
  { ssid = "CAFE", hidden = true },
]
"#;
    let uplink = parse(file.as_bytes()).unwrap().uplink;
    let home = WifiNetwork {
        ssid: "HOME".into(),
        passphrase: Some("MY-PASSWORD".into()),
        priority: 10,
        hidden: false,
        security: WifiSecurity::Wpa3,
    };
    let cafe = WifiNetwork { ssid: "CAFE".into(), hidden: true, ..WifiNetwork::default() };
    assert!(uplink.wifi_offload);
    assert_eq!(uplink.wifi, [home, cafe]);
}

#[test]
fn wifi_mistakes_have_a_cure() {
    let word = "passphrase = \"MY-PASSWORD\"";
    for (entry, message) in [
        (
            format!("{word}, priority = 101"),
            "priority: a priority is a number from 0 to 100; give the network that you prefer the higher one",
        ),
        (
            format!("{word}, priority = -1"),
            "priority: a priority is a number from 0 to 100; give the network that you prefer the higher one",
        ),
        (
            format!("{word}, priority = \"1\""),
            "priority: this must be a whole number, but is text; write priority = 1, without quotes",
        ),
        (
            format!("{word}, hidden = 1"),
            "hidden: this must be true or false, but is a number without quotes; write hidden = true or hidden = false, without quotes",
        ),
        (
            format!("{word}, security = \"wep\""),
            "security: this is no kind of Wi-Fi security that is known here; write \"wpa2\" or \"wpa3\", or leave it out for whichever works best",
        ),
        (
            "security = \"wpa3\"".into(),
            "security: an open network has no security; add a passphrase, or leave security out if the network is open",
        ),
    ] {
        let file = format!("[uplink]\nwifi = [{{ ssid = \"a\", {entry} }}]");
        let problems = parse(file.as_bytes()).unwrap_err();
        let found = problems.to_string();
        assert!(found.contains(&format!(": uplink.wifi.{message}")), "{entry}: {found}");
        assert!(!found.contains("MY-PASSWORD"));
    }
    check(
        "[uplink]\nwifi_offload = 1",
        "gateway.toml:2:16: uplink.wifi_offload: this must be true or false, but is a number without quotes; write wifi_offload = true or wifi_offload = false, without quotes",
    );
}

#[test]
fn serving_only_known_clients_needs_one() {
    let message = "gateway.toml:2:11: dhcp.unknown: nobody would get an address, since no [[host]] has a mac or a client_id; add one, or remove this line";
    check("[dhcp]\nunknown = false", message);
    check("[dhcp]\nunknown = false\n[[host]]\nname = \"tv\"\naddress = \"10.0.0.9\"", message);
    check(
        "[dhcp]\nunknown = \"no\"",
        "gateway.toml:2:11: dhcp.unknown: this must be true or false, but is text; write unknown = true or unknown = false, without quotes",
    );
    let config = parse(b"[dhcp]\nunknown = false\n[[host]]\nname = \"tv\"\nmac = \"02:00:00:00:00:01\"").unwrap();
    assert!(!config.dhcp.unknown && parse(b"").unwrap().dhcp.unknown);
}

#[test]
fn an_empty_list_keeps_router_and_name_server_back() {
    let config =
        parse(b"[[dhcp.option]]\nname = \"router\"\nvalue = []\n[[dhcp.option]]\ncode = 6\nvalue = []").unwrap();
    assert!(config.dhcp.options.iter().map(|option| (option.code, option.data.len())).eq([(3, 0), (6, 0)]));
}

#[test]
fn a_whole_dhcp_setup_parses() {
    let config = parse(
        br#"
[dhcp]
log = true
probe = false
rapid_commit = false
unknown = false
offers_per_second = 50
[[dhcp.match]]
tag = "pxe"
vendor_class = "PXEClient"
mac = "b8:27:eb"
[[dhcp.option]]
name = "ntp-server"
value = ["10.0.0.5", "10.0.0.6"]
[[dhcp.option]]
code = 26
value = 1492
tag = "pxe"
[[dhcp.option]]
code = 224
hex = "01:02 ff"
always = true
tag = "camera"
[[dhcp.boot]]
file = "node.img"
server = "10.0.0.5"
tag = "known"
[[host]]
name = "cam"
mac = ["02:00:00:00:00:01", "02:00:00:00:00:02"]
client_id = "ff:00:01"
lease = "7d"
tags = ["camera"]
[[host]]
name = "guest"
client_id = "guest-1"
ignore = true
"#,
    )
    .unwrap();
    let dhcp = &config.dhcp;
    assert_eq!((dhcp.log, dhcp.probe, dhcp.rapid_commit, dhcp.offers_per_second), (true, false, false, 50));
    assert!(!dhcp.unknown);
    let options: Vec<_> = dhcp.options.iter().map(|o| (o.code, &o.data[..], o.tag.as_deref(), o.always)).collect();
    assert_eq!(options[0], (42, &[10, 0, 0, 5, 10, 0, 0, 6][..], None, false));
    assert_eq!(options[1..], [(26, &[5, 212][..], Some("pxe"), false), (224, &[1, 2, 255], Some("camera"), true)]);
    let rule = &dhcp.matches[0];
    assert_eq!(
        (rule.tag.as_str(), rule.vendor_class.as_deref(), rule.mac),
        ("pxe", Some("PXEClient"), MacPrefix::new(&[0xb8, 0x27, 0xeb]))
    );
    assert_eq!((dhcp.boot[0].file.as_str(), dhcp.boot[0].server), ("node.img", Some(Ipv4Addr::new(10, 0, 0, 5))));
    let [cam, guest] = &config.hosts[..] else { panic!("two hosts") };
    assert_eq!((cam.macs.len(), cam.client_id.as_deref(), cam.address), (2, Some(&[0xff, 0, 1][..]), None));
    assert_eq!((cam.lease, &cam.tags[..]), (Some(Duration::from_secs(7 * 86_400)), &["camera".to_string()][..]));
    assert_eq!((guest.client_id.as_deref(), guest.ignore), (Some(&b"guest-1"[..]), true));
}

#[test]
fn options_that_do_not_fit_are_explained() {
    for (keys, message) in [
        ("", "1:1: dhcp.option: an option has neither a name nor a code; add name = \"ntp-server\" or code = 42"),
        (
            "code = 42\nvalue = []",
            "1:1: dhcp.option.value: an empty list keeps options 3 and 6 from being sent, not option 42 (ntp-server); write a value, or remove the option",
        ),
        (
            "code = 3\nvalue = []\nhex = \"0a\"",
            "4:7: dhcp.option.hex: an option has a value or hex, not both; remove one of them",
        ),
        ("code = 42", "1:1: dhcp.option: an option has no value; add value = \"...\" or hex = \"...\""),
        (
            "code = \"x\"",
            "2:8: dhcp.option.code: this must be a whole number, but is text; write code = 1, without quotes",
        ),
        (
            "code = 0\nhex = \"01\"",
            "2:8: dhcp.option.code: 0 is not an option; write a code from 1 to 254, or a name such as \"ntp-server\"",
        ),
        (
            "code = 42\nname = \"mtu\"",
            "3:8: dhcp.option.name: an option has a code or a name, not both; remove one of them",
        ),
        (
            "name = \"ntp\"\nvalue = \"10.0.0.5\"",
            "2:8: dhcp.option.name: \"ntp\" is not an option; write a code from 1 to 254, or a name such as \"ntp-server\"",
        ),
        ("code = 51\nvalue = 60", "2:8: dhcp.option.code: the server decides on 51; set dhcp.lease"),
        (
            "code = 61\nhex = \"01\"",
            "2:8: dhcp.option.code: 61 is what a client sends, not a server; remove this option",
        ),
        (
            "code = 42\nvalue = \"pool.ntp.org\"",
            "3:9: dhcp.option.value: this is not what option 42 (ntp-server) holds; write addresses such as [\"10.0.0.5\", \"10.0.0.6\"]",
        ),
        (
            "code = 42\nvalue = true",
            "3:9: dhcp.option.value: this must be text in quotes or a list of texts, but is true or false without quotes; write value = \"...\" or value = [\"...\", \"...\"]",
        ),
        (
            "code = 42\nhex = \"0a00\"",
            "3:7: dhcp.option.hex: these bytes are not what option 42 (ntp-server) holds; write addresses such as [\"10.0.0.5\", \"10.0.0.6\"] as its value instead",
        ),
        (
            "code = 224\nhex = \"1\"",
            "3:7: dhcp.option.hex: \"1\" is not 1 to 1024 bytes in hexadecimal; write two digits a byte, such as \"01 02 ff\"",
        ),
        (
            "code = 224\nhex = \"01\"\nvalue = \"x\"",
            "3:7: dhcp.option.hex: an option has a value or hex, not both; remove one of them",
        ),
        (
            "code = 224\nhex = \"01\"\ntag = \"cam\"",
            "4:7: dhcp.option.tag: no client has the tag cam; give a [[host]] tags = [\"cam\"], or add a [[dhcp.match]] with tag = \"cam\"",
        ),
        (
            "code = 224\nhex = \"01\"\ntag = \"a b\"",
            "4:7: dhcp.option.tag: \"a b\": a tag may only hold the letters a to z, digits and hyphens; write a short word such as \"camera\"",
        ),
        (
            "code = 224\nhex = \"01\"\n[[dhcp.option]]\ncode = 224\nhex = \"02\"",
            "4:1: dhcp.option: option 224 stands in the list twice for the same clients; put all its values into one list, or give one a tag",
        ),
    ] {
        check(&format!("[[dhcp.option]]\n{keys}"), &format!("gateway.toml:{message}"));
    }
}

#[test]
fn matches_boot_files_and_limits_that_do_not_fit_are_explained() {
    for (file, message) in [
        ("[[dhcp.match]]", "1:1: dhcp.match: a match gives no tag; add tag = \"camera\" or another word"),
        (
            "[[dhcp.match]]\ntag = \"x\"",
            "1:1: dhcp.match: a match says nothing of the client; add vendor_class, user_class or mac = \"b8:27:eb\"",
        ),
        (
            "[[dhcp.match]]\ntag = \"x\"\nmac = \"b8:2\"",
            "3:7: dhcp.match.mac: \"b8:2\" is not the beginning of a hardware address; write it as in \"b8:27:eb\"",
        ),
        (
            "[[dhcp.boot]]",
            "1:1: dhcp.boot: a boot entry names neither a file nor a server; add file = \"...\" and server = \"...\"",
        ),
        (
            "[[dhcp.boot]]\nfile = \"a b\"\nserver = \"10.0.0.5\"",
            "2:8: dhcp.boot.file: \"a b\" has no place in the message; write at most 127 letters, digits and signs, without blanks",
        ),
        (
            "[[dhcp.boot]]\nfile = \"a\"\nserver = \"tftp\"",
            "3:10: dhcp.boot.server: \"tftp\" is not the address of a server; write an address such as \"10.0.0.5\"",
        ),
        (
            "[[dhcp.boot]]\nfile = \"a\"\n[[dhcp.boot]]\nfile = \"b\"",
            "3:1: dhcp.boot: there are two boot files for the same clients; remove one, or give it a tag",
        ),
        (
            "[dhcp]\noffers_per_second = 0",
            "2:21: dhcp.offers_per_second: 0 new clients a second is not between 1 and 100000; leave it out for 2000",
        ),
        (
            "[dhcp]\nlog = 1",
            "2:7: dhcp.log: this must be true or false, but is a number without quotes; write log = true or log = false, without quotes",
        ),
        (
            "[dhcp]\noption = 1",
            "2:10: dhcp.option: this must be a list of entries, but is a number without quotes; write a line [[dhcp.option]], with double brackets, above the keys of each option",
        ),
        (
            "[[host]]\nname = \"a\"\naddress = \"10.0.0.2\"\nignore = true",
            "1:1: host.ignore: this host can't be told from others, so it can't be ignored; add mac = \"...\" so that it can be told from others",
        ),
        (
            "[[host]]\nname = \"a\"\nclient_id = \"x\"",
            "3:13: host.client_id: a client identifier has 2 to 255 bytes; write it as in \"ff:12:34:56:78\", or as text",
        ),
        (
            "[[host]]\nname = \"a\"\nclient_id = \"xy\"\n[[host]]\nname = \"b\"\nclient_id = \"xy\"",
            "6:13: host.client_id: another host has this client identifier already; give each host its own",
        ),
        (
            "[[host]]\nname = \"a\"\naddress = \"10.0.0.2\"\nlease = \"1s\"",
            "4:9: host.lease: a lease shorter than 2 minutes keeps every machine busy asking; write at least \"2m\"; \"12h\" is usual",
        ),
    ] {
        check(file, &format!("gateway.toml:{message}"));
    }
}
