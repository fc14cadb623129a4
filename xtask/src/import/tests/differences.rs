//! Directives that look like something of ours and mean something else: none is taken over without a word.

use super::*;

fn all(text: &str) -> (Imported, Vec<String>) {
    let imported = of(Kind::Dnsmasq, text);
    config::parse(imported.toml.as_bytes()).unwrap_or_else(|_| panic!("{}\n{}", imported.toml, imported.report));
    (imported, fates(text))
}

#[track_caller]
fn check(text: &str, fates: &[&str], has: &[&str], has_not: &[&str]) {
    let (imported, found) = all(text);
    assert_eq!(found, fates, "{}", imported.report);
    let toml = imported.toml.split("\n# ").next().unwrap_or_default();
    for line in has {
        assert!(toml.contains(line), "{line} is missing:\n{toml}");
    }
    for line in has_not {
        assert!(!toml.contains(line), "{line} is there:\n{toml}");
    }
}

#[test]
fn the_domain_is_the_domain_wherever_it_stands() {
    check("local=/localnet/\ndomain=example.org", &["1 left", "2 taken"], &["domain = \"example.org\""], &["localnet"]);
    check("local=/example.org/\ndomain=example.org", &["1 anyway", "2 taken"], &["domain = \"example.org\""], &[]);
    check("domain=a.example\ndomain=b.example", &["1 taken", "2 left"], &["a.example"], &["b.example"]);
}

#[test]
fn a_tag_that_cannot_be_asked_for_is_never_dropped_from_its_option() {
    let red = "dhcp-mac=set:red,00:60:8c:*:*:*\ndhcp-mac=set:blue,00:60:8d:*:*:*\n";
    for option in ["tag:red,tag:blue,42,10.9.9.9", "tag:!red,42,10.9.9.9", "tag:green,42,10.9.9.9"] {
        check(&format!("{red}dhcp-option={option}"), &["1 taken", "2 taken", "3 left"], &[], &["10.9.9.9"]);
    }
    check(&format!("{red}dhcp-boot=tag:red,tag:blue,x"), &["1 taken", "2 taken", "3 left"], &[], &["file"]);
    // A host's tag may come later, and a word with an underscore is one here with a hyphen.
    check(
        "dhcp-option=tag:my_red,42,10.9.9.9\ndhcp-host=02:00:00:00:00:01,a,set:my_red",
        &["1 taken", "2 taken"],
        &["tag = \"my-red\"", "tags = [\"my-red\"]"],
        &[],
    );
}

#[test]
fn a_pool_for_some_is_nobodys_and_the_tag_of_the_pool_is_everybodys() {
    check("dhcp-range=tag:green,10.0.0.50,10.0.0.60", &["1 left"], &[], &["pool"]);
    check(
        "dhcp-range=set:lan,10.0.0.50,10.0.0.60\ndhcp-option=tag:lan,42,10.9.9.9\ndhcp-option=42,10.9.9.8",
        &["1 taken", "2 taken", "3 left"],
        &["10.9.9.9"],
        &["tag = ", "10.9.9.8"],
    );
}

#[test]
fn a_machine_known_by_its_name_gets_a_remark() {
    check("dhcp-host=bert,10.0.0.70", &["1 nearly"], &["name = \"bert\"", "address = \"10.0.0.70\""], &["mac"]);
    check("dhcp-host=11:22:33:44:55:66,bert,10.0.0.70", &["1 nearly"], &["name = \"bert\""], &["mac"]);
    check("dhcp-host=judge\ndhcp-host=[fd00::5],bert", &["1 left", "2 left"], &[], &["host"]);
    assert!(of(Kind::Dnsmasq, "dhcp-host=judge").report.contains("write a `[[host]]` with its `mac`"));
}

#[test]
fn clients_are_matched_by_what_they_say_of_themselves() {
    check(
        "dhcp-match=set:efi64,option:client-arch,9\ndhcp-match=set:http,option:client-arch,16\ndhcp-match=set:ipxe,175",
        &["1 nearly", "2 nearly", "3 nearly"],
        &["\"PXEClient:Arch:00009\"", "\"HTTPClient:Arch:00016\"", "user_class = \"iPXE\""],
        &[],
    );
    check(
        "dhcp-match=set:a,60,PXEClient\ndhcp-match=set:b,option:user-class,iPXE\ndhcp-vendorclass=set:c,enterprise:9,x",
        &["1 nearly", "2 nearly", "3 left"],
        &["vendor_class = \"PXEClient\"", "user_class = \"iPXE\""],
        &["\"c\""],
    );
    for rest in ["option:client-arch,14", "option:client-arch", "option:hostname,rpi", "vi-encap:175", "12"] {
        check(&format!("dhcp-match=set:a,{rest}"), &["1 left"], &[], &["match"]);
    }
    for pattern in ["*:*:*:*:*:*", "00:*:8c:01:02:03", "00:60:8c:*:*", "06-00:60:8c:*:*:*", "zz:60:8c:*:*:*"] {
        check(&format!("dhcp-mac=set:a,{pattern}"), &["1 left"], &[], &["match"]);
    }
    check("dhcp-mac=set:a,0:60:8C:1:2:3", &["1 taken"], &["mac = \"00:60:8c:01:02:03\""], &[]);
}

#[test]
fn numbers_have_their_size() {
    for (option, hex) in [
        ("19,0", "00"),
        ("2,-3600", "ff ff f1 f0"),
        ("22,576", "02 40"),
        ("211,30i", "00 00 00 1e"),
        ("211,30", "1e"),
        ("211,300,1b", "01 2c 01"),
        ("252,\"a\\n\"", "61 0a"),
    ] {
        check(&format!("dhcp-option={option}"), &["1 taken"], &[&format!("hex = \"{hex}\"")], &["value"]);
    }
    check("dhcp-option=40,12\ndhcp-option=128,\"12\"", &["1 taken", "2 taken"], &["value = \"12\""], &["hex"]);
    for option in ["19,300", "19,x", "23,256", "51,3600", "12,name", "55,1", "26,5", "42", "44,0.0.0.0", "150,0.0.0.0"]
    {
        check(&format!("dhcp-option={option}"), &["1 left"], &[], &["dhcp.option"]);
    }
}

#[test]
fn what_is_not_so_is_not_said_to_be_so() {
    check("rebind-localhost-ok\nstrict-order\nall-servers", &["1 left", "2 left", "3 left"], &[], &[]);
    check("use-stale-cache\nstop-dns-rebind", &["1 anyway", "2 anyway"], &[], &[]);
    check(
        "dhcp-option=3\ndhcp-option=option:dns-server",
        &["1 taken", "2 taken"],
        &["\"dns-server\"\nvalue = []"],
        &[],
    );
    check("dhcp-ignore=tag:!known\ndhcp-host=02:00:00:00:00:01,a", &["1 taken", "2 taken"], &["unknown = false"], &[]);
    check("dhcp-ignore=tag:!known\ndhcp-range=10.0.0.0,static", &["1 left", "2 left"], &[], &["ignore", "unknown"]);
    check(
        "txt-record=a,x=1,y=2\ntxt-record=b,\"x, y\"\ntxt-record=c",
        &["1 taken", "2 taken", "3 taken"],
        &["value = [\"x=1\", \"y=2\"]", "value = \"x, y\"", "value = \"\""],
        &[],
    );
    let unprotected = of(Kind::Dnsmasq, "bogus-priv").report;
    assert!(unprotected.contains("rebind_protection = false"), "{unprotected}");
    assert!(!of(Kind::Dnsmasq, "stop-dns-rebind").report.contains("rebind_protection"));
    assert!(!of(Kind::Netplan, "network: {version: 2}").report.contains("rebind_protection"));
}

#[test]
fn name_servers_that_nobody_asks_are_listed() {
    let netplan = "network:\n  ethernets:\n    eth0:\n      addresses: [10.0.0.1/24]\n      nameservers: {addresses: [10.0.0.9]}\n    \
                   eth1:\n      dhcp4: true\n      addresses: [192.168.0.9/24]\n      gateway4: 192.168.0.1\n      \
                   nameservers: {addresses: [9.9.9.9, 8.8.8.8]}\n";
    let file = |kind, text: &str| (kind, "file".to_string(), text.to_string());
    let dnsmasq = "interface=eth0\ndhcp-range=10.0.0.10,10.0.0.20\n";
    let report = import(&[file(Kind::Netplan, netplan), file(Kind::Dnsmasq, dnsmasq)]).report;
    assert!(report.contains("eth0: its name servers 10.0.0.9 are not asked"), "{report}");
    assert!(!report.contains("eth1: its name servers"), "{report}");
    assert!(report.contains("file:7: dhcp4: beside `addresses` the fixed address was taken"), "{report}");
    let with_server = format!("{dnsmasq}server=8.8.8.8\n");
    let report = import(&[file(Kind::Netplan, netplan), file(Kind::Dnsmasq, &with_server)]).report;
    assert!(report.contains("eth1: its name servers 9.9.9.9 are not asked"), "{report}");
}
