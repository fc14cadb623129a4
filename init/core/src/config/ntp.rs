//! `[ntp]`: where the time comes from, and whether the LAN can ask for it.

use super::problem::{Report, echo};
use super::raw::{At, Section};
use super::words;
use crate::net::{Ipv4Addr, is_ordinary};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The most servers that may be named: more do not make the time better.
pub const MAX_SERVERS: usize = 8;

/// The servers when the file names none, besides those that the uplink's DHCP server names. Both operators offer them to
/// everybody, from many places under one name. Not the NTP pool: it wants makers of devices to have a name of their own
/// there, which is not ours to take; a user may well write it.
const DEFAULT: [&str; 2] = ["time.cloudflare.com", "ntp.se"];

/// The time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ntp {
    /// Names and IPv4 addresses of servers to ask.
    pub servers: Vec<String>,
    /// Ask the servers that the uplink's DHCP server names, too (option 42).
    pub learn: bool,
    /// Answer the LAN.
    pub serve: bool,
}

impl Default for Ntp {
    fn default() -> Self {
        Self { servers: DEFAULT.map(String::from).to_vec(), learn: true, serve: true }
    }
}

/// `[ntp]`
#[derive(Default)]
pub(super) struct Raw {
    servers: Option<Vec<At<String>>>,
    serve: Option<bool>,
}

/// The section's keys.
pub(super) const KEYS: &[&str] = &["servers", "serve"];

pub(super) fn read(section: &mut Section<'_, '_, '_>) -> Raw {
    let servers = section.has("servers").then(|| section.texts("servers"));
    Raw { servers, serve: section.switch("serve") }
}

pub(super) fn check(raw: &Raw, own: Ipv4Addr, report: &mut Report<'_>) -> Ntp {
    let default = Ntp::default();
    let serve = raw.serve.unwrap_or(default.serve);
    let Some(list) = &raw.servers else { return Ntp { serve, ..default } };
    let mut servers: Vec<String> = Vec::new();
    for At { value, at } in list {
        let example = "write an address such as \"192.168.0.1\" or a name such as \"0.pool.ntp.org\"";
        let (what, cure) = match server(value, own) {
            Err(what) => (format!("{}: {what}", echo(value)), example),
            Ok(server) if servers.contains(&server) => {
                (format!("{server} stands in the list twice"), "keep one of them")
            }
            Ok(_) if servers.len() == MAX_SERVERS => {
                report.add(*at, "ntp.servers", format!("there are more than {MAX_SERVERS} servers"), "four are enough");
                break;
            }
            Ok(server) => {
                servers.push(server);
                continue;
            }
        };
        report.add(*at, "ntp.servers", what, cure);
    }
    Ntp { servers, learn: false, serve }
}

/// An address or a name, in its usual form.
fn server(text: &str, own: Ipv4Addr) -> Result<String, &'static str> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return match address {
            _ if address == own => Err("this is the gateway itself"),
            _ if !is_ordinary(address) => Err("this address has a special meaning, no time server has it"),
            _ => Ok(String::from(text)),
        };
    }
    if text.contains(':') {
        return Err("a time server is given without a port, and IPv6 comes in a later release");
    }
    let name = words::domain(text).map_err(|_| "this is neither an address nor the name of a server")?;
    if name.contains('.') { Ok(name) } else { Err("a server's name has a dot in it") }
}

#[cfg(test)]
mod tests {
    use crate::config::parse;
    use alloc::string::ToString;

    #[test]
    fn time_servers_are_names_or_addresses() {
        let read =
            |text: &str| parse(text.as_bytes()).map(|config| config.ntp).map_err(|problems| problems.to_string());
        let ntp = read("").unwrap();
        assert_eq!((ntp.servers.len(), ntp.learn, ntp.serve), (2, true, true));
        let ntp = read("[ntp]\nservers = [\"0.Pool.NTP.org\", \"192.168.0.1\"]\nserve = false\n").unwrap();
        assert_eq!(
            (ntp.servers, ntp.learn, ntp.serve),
            (alloc::vec!["0.pool.ntp.org".into(), "192.168.0.1".into()], false, false)
        );
        let ntp = read("[ntp]\nservers = []\n").unwrap();
        assert!(ntp.servers.is_empty() && !ntp.learn && ntp.serve);
        for (text, part) in [
            ("servers = [\"10.0.0.1\"]", "this is the gateway itself"),
            ("servers = [\"127.0.0.1\"]", "special meaning"),
            ("servers = [\"a.example:123\"]", "without a port"),
            ("servers = [\"router\"]", "a server's name has a dot in it"),
            ("servers = [\"a b\"]", "neither an address nor the name"),
            ("servers = [\"a.example\", \"A.example\"]", "twice"),
            (
                "servers = [\"a.b\",\"b.b\",\"c.b\",\"d.b\",\"e.b\",\"f.b\",\"g.b\",\"h.b\",\"i.b\"]",
                "more than 8 servers",
            ),
            ("servers = 5", "this must be a list"),
            ("serve = \"no\"", "true or false"),
            ("server = []", "did you mean servers?"),
        ] {
            let said = read(&alloc::format!("[ntp]\n{text}\n")).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}
