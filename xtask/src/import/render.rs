//! A [`Draft`] as the text of a `gateway.toml`.

use super::draft::{Draft, Host};
use std::fmt::{Display, Write as _};

/// The file, in the order in which a person would write it.
pub fn render(draft: &Draft) -> String {
    let mut out = Out(String::new());
    out.text("hostname", draft.hostname.as_ref());
    out.text("domain", draft.domain.as_ref());
    uplink(draft, &mut out);
    if draft.served.is_some() || draft.lan.is_some() {
        out.section("[lan]");
        out.text("interface", draft.served.as_ref());
        out.text("address", draft.lan.as_ref());
    }
    dhcp(draft, &mut out);
    draft.hosts.iter().for_each(|host| self::host(host, &mut out));
    dns(draft, &mut out);
    if draft.netboot {
        out.section("[netboot]");
        out.switch("serve", true, true);
    }
    for forward in &draft.ports {
        out.section("[[forward]]");
        out.text("protocol", Some(forward.protocol));
        out.raw("port", quoted_unless_number(&forward.port));
        out.text("to", Some(forward.to));
        if let Some(port) = &forward.to_port {
            out.raw("to_port", port);
        }
    }
    out.0
}

fn uplink(draft: &Draft, out: &mut Out) {
    let Some(uplink) = &draft.uplink else { return };
    out.section("[uplink]");
    out.text("interface", Some(&uplink.name));
    out.text("country", draft.country.as_ref());
    if !uplink.wifi.is_empty() {
        let networks = uplink.wifi.iter().map(|(ssid, passphrase)| match passphrase {
            Some(passphrase) => format!("{{ ssid = {}, passphrase = {} }}", quote(ssid), quote(passphrase)),
            None => format!("{{ ssid = {} }}", quote(ssid)),
        });
        out.raw("wifi", format!("[{}]", networks.collect::<Vec<_>>().join(", ")));
    }
    out.text("address", uplink.addresses.first());
    out.text("gateway", uplink.gateway.filter(|_| !uplink.addresses.is_empty()));
}

fn dhcp(draft: &Draft, out: &mut Out) {
    if draft.pool.is_some() || draft.lease.is_some() || draft.log_dhcp || draft.no_probe || draft.known_only.is_some() {
        out.section("[dhcp]");
        out.text("pool", draft.pool.map(|(first, last)| format!("{first}-{last}")));
        out.text("lease", draft.lease.as_ref());
        out.switch("log", true, draft.log_dhcp);
        out.switch("probe", false, draft.no_probe);
        out.switch("unknown", false, draft.known_only.is_some());
    }
    for option in &draft.options {
        out.section("[[dhcp.option]]");
        match option.name {
            Some(name) => out.text("name", Some(name)),
            None => out.raw("code", option.code),
        }
        out.raw(option.key, &option.value);
        out.text("tag", option.tag.as_ref());
        out.switch("always", true, option.always);
    }
    for rule in &draft.matches {
        out.section("[[dhcp.match]]");
        out.text("tag", Some(&rule.tag));
        out.text(rule.key, Some(&rule.value));
    }
    for boot in &draft.boots {
        out.section("[[dhcp.boot]]");
        out.text("file", Some(&boot.file).filter(|file| !file.is_empty()));
        out.text("server", boot.server.as_ref());
        out.text("server_name", boot.server_name.as_ref());
        out.text("tag", boot.tag.as_ref());
    }
}

fn host(host: &Host, out: &mut Out) {
    out.section("[[host]]");
    out.text("name", host.name.as_ref());
    match host.macs.as_slice() {
        [] => {}
        [mac] => out.text("mac", Some(mac)),
        macs => out.list("mac", macs),
    }
    out.text("client_id", host.client_id.as_ref());
    out.text("address", host.address);
    out.text("lease", host.lease.as_ref());
    out.switch("ignore", true, host.ignore);
    out.list("tags", &host.tags);
    out.list("aliases", &host.aliases);
}

fn dns(draft: &Draft, out: &mut Out) {
    let any = !draft.upstream.is_empty() || !draft.rebind_allow.is_empty();
    if any || draft.log_queries {
        out.section("[dns]");
        out.list("upstream", &draft.upstream);
        out.switch("log_queries", true, draft.log_queries);
        out.list("rebind_allow", &draft.rebind_allow);
    }
    for (domain, upstream) in &draft.forwards {
        out.section("[[dns.forward]]");
        out.text("domain", Some(domain));
        out.list("upstream", upstream);
    }
    for (name, kind, value) in &draft.records {
        out.section("[[dns.record]]");
        out.text("name", Some(name));
        out.text("type", Some(kind));
        out.raw("value", value);
    }
}

struct Out(String);

impl Out {
    fn section(&mut self, head: &str) {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        let _ = writeln!(self.0, "{gap}{head}");
    }

    fn raw(&mut self, key: &str, value: impl Display) {
        let _ = writeln!(self.0, "{key} = {value}");
    }

    fn text(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.raw(key, quote(&value.to_string()));
        }
    }

    fn list<T: Display>(&mut self, key: &str, values: &[T]) {
        if !values.is_empty() {
            let values: Vec<_> = values.iter().map(|value| quote(&value.to_string())).collect();
            self.raw(key, format!("[{}]", values.join(", ")));
        }
    }

    fn switch(&mut self, key: &str, value: bool, wanted: bool) {
        if wanted {
            self.raw(key, value);
        }
    }
}

fn quoted_unless_number(text: &str) -> String {
    if text.parse::<u16>().is_ok() { text.into() } else { quote(text) }
}

/// A basic string of TOML.
pub fn quote(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}
