//! The directives of dnsmasq that need nothing, or that have no counterpart, with what to do instead.

use crate::import::ledger::Fate;

/// What the gateway does, or never does, without being told.
const ANYWAY: [(&[&str], &str); 11] = [
    (
        &["tftp-secure", "tftp-no-fail", "tftp-max", "tftp-mtu"],
        "the TFTP server has bounds of its own: see SECURITY.md",
    ),
    (&["domain-needed"], "single labels never leave the house"),
    (&["bogus-priv"], "names of private addresses never leave the house"),
    (&["expand-hosts"], "every host answers by its label and by its full name"),
    (&["dhcp-authoritative"], "it is the only DHCP server of the LAN and says so"),
    (
        &["no-resolv", "no-poll", "resolv-file", "no-hosts", "dhcp-leasefile", "leasefile-ro"],
        "there is no such file here",
    ),
    (
        &[
            "bind-interfaces",
            "bind-dynamic",
            "local-service",
            "except-interface",
            "no-dhcp-interface",
            "listen-address",
            "localise-queries",
        ],
        "only the LAN is served, by sockets that are bound to it",
    ),
    (
        &["user", "group", "pid-file", "log-facility", "log-async", "no-daemon", "keep-in-foreground", "log-debug"],
        "the gateway process has its own user and its log is in memory",
    ),
    (
        &[
            "dns-loop-detect",
            "edns-packet-max",
            "dns-forward-max",
            "cache-size",
            "min-port",
            "max-port",
            "port-limit",
            "fast-dns-retry",
            "no-ident",
            "do-0x20-encode",
            "max-tcp-connections",
        ],
        "it is so, with bounds of its own: see SECURITY.md and gateway.toml.md",
    ),
    (&["stop-dns-rebind"], "private addresses in answers from outside are kept back"),
    (&["use-stale-cache"], "if no server answers, an old answer is given; [dns] stale = false ends that"),
];

/// What has no counterpart, and what to do instead.
const LEFT: [(&[&str], &str); 23] = [
    (&["conf-file", "conf-dir", "servers-file"], "import those files too: --dnsmasq may be given several times"),
    (&["addn-hosts", "hostsdir"], "import those files with --hosts"),
    (
        &["dhcp-hostsfile", "dhcp-hostsdir", "dhcp-optsfile", "dhcp-optsdir", "read-ethers"],
        "write its lines as `dhcp-host` or `dhcp-option` into the file and import that",
    ),
    (
        &[
            "tftp-unique-root",
            "tftp-lowercase",
            "tftp-no-blocksize",
            "tftp-port-range",
            "tftp-single-port",
            "pxe-prompt",
            "pxe-service",
            "dhcp-no-override",
        ],
        "`[netboot]` serves the folder as it is, with one menu entry for a Pi; for anything else name a TFTP server with `[[dhcp.boot]] server`",
    ),
    (
        &["dhcp-script", "dhcp-luascript", "dhcp-scriptuser", "script-arp", "script-on-renewal"],
        "no program runs on a lease: there is no other program on the card",
    ),
    (
        &["enable-ra", "ra-param", "dhcp-duid", "dhcp-prefix-class"],
        "IPv6: this release neither leases nor announces it",
    ),
    (
        &[
            "dnssec",
            "dnssec-check-unsigned",
            "dnssec-no-timecheck",
            "dnssec-timestamp",
            "dnssec-limits",
            "trust-anchor",
            "proxy-dnssec",
        ],
        "answers are not validated; use a server that does",
    ),
    (
        &["auth-server", "auth-zone", "auth-soa", "auth-sec-servers", "auth-peer", "auth-ttl"],
        "it is no server for the internet; keep such a zone elsewhere",
    ),
    (
        &["ipset", "nftset", "connmark-allowlist", "connmark-allowlist-enable", "conntrack"],
        "names do not change the packet filter; see `[[firewall.block]]`",
    ),
    (
        &["add-mac", "add-subnet", "add-cpe-id", "umbrella", "strip-mac", "strip-subnet"],
        "nothing about a client is told to a server",
    ),
    (
        &[
            "bogus-nxdomain",
            "ignore-address",
            "filterwin2k",
            "filter-A",
            "filter-AAAA",
            "filter-rr",
            "no-round-robin",
            "alias",
        ],
        "answers are passed on as they are; use another upstream server",
    ),
    (
        &[
            "no-negcache",
            "neg-ttl",
            "max-ttl",
            "local-ttl",
            "min-cache-ttl",
            "max-cache-ttl",
            "no-0x20-encode",
            "dhcp-ttl",
            "cache-rr",
        ],
        "times follow the answers and RFC 2308; a record of yours has its own `ttl`",
    ),
    (
        &[
            "query-port",
            "port",
            "interface-name",
            "dynamic-host",
            "synth-domain",
            "naptr-record",
            "caa-record",
            "dns-rr",
        ],
        "there is no such thing; see `[[dns.record]]` for what there is",
    ),
    (
        &[
            "dhcp-relay",
            "dhcp-split-relay",
            "dhcp-proxy",
            "bridge-interface",
            "shared-network",
            "dhcp-alternate-port",
            "leasequery",
        ],
        "one LAN is served, directly",
    ),
    (&["dhcp-lease-max"], "the pool is the bound: make it smaller"),
    (
        &[
            "dhcp-generate-names",
            "dhcp-ignore-names",
            "dhcp-client-update",
            "dhcp-fqdn",
            "dhcp-ignore-clid",
            "bootp-dynamic",
            "dhcp-sequential-ip",
            "dhcp-broadcast",
            "dhcp-pxe-vendor",
            "dhcp-name-match",
            "dhcp-circuitid",
            "dhcp-remoteid",
            "dhcp-subscrid",
            "dhcp-reply-delay",
        ],
        "leave it out; if a client needs it, tell us",
    ),
    (&["mx-target", "localmx", "selfmx"], "write the mail host as a `[[dns.record]]` of type MX"),
    (
        &["rebind-localhost-ok"],
        "127.0.0.1 in answers from outside is kept back: name the domains that may have it in [dns] rebind_allow",
    ),
    (&["strict-order"], "the fastest server is asked first: leave only those in [dns] upstream that know everything"),
    (&["all-servers"], "one server is asked, the fastest, and the next if it fails"),
    (
        &[
            "enable-dbus",
            "enable-ubus",
            "dumpfile",
            "dumpmask",
            "quiet-dhcp",
            "quiet-dhcp6",
            "quiet-ra",
            "quiet-tftp",
            "dns-rr",
            "version",
            "test",
            "help",
        ],
        "there is no such thing; the console and `gatepost log` show what happens",
    ),
    (&["resolv-retry", "clear-on-reload", "conf-script", "dhcp-hostsdir"], "there is no such thing"),
    (&["rev-server-file", "log-malloc"], "there is no such thing"),
];

/// The fate of a directive that is not taken over.
pub fn listed(key: &str) -> Fate {
    let find = |table: &[(&[&str], &str)]| {
        table.iter().find(|(keys, _)| keys.contains(&key)).map(|(_, advice)| advice.to_string())
    };
    let anyway = find(&ANYWAY).map(Fate::Anyway);
    anyway.or_else(|| find(&LEFT).map(Fate::Left)).unwrap_or_else(|| {
        Fate::Left("dnsmasq up to 2.91 has no such directive, or it is new; see gateway.toml.md".into())
    })
}
