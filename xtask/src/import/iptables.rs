//! Rules of iptables, as `iptables-save` prints them or as commands: translation, forwarding, port forwards.

use super::draft::{Draft, PortForward};
use super::ledger::{Fate, Ledger};

/// Reads the file into the draft.
pub fn read(text: &str, draft: &mut Draft, ledger: &mut Ledger) {
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', '*', ':']) || line == "COMMIT" {
            // Tables and chains; a policy is told by what follows from the rules.
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let fate = take(&words, draft);
        ledger.enter(number, line, fate);
    }
}

fn take(words: &[&str], draft: &mut Draft) -> Fate {
    let after = |keys: &[&str]| {
        let at = words.iter().position(|word| keys.contains(word))?;
        words.get(at + 1).copied()
    };
    if words.iter().any(|word| word.contains("ip_forward")) {
        return Fate::Anyway("packets are forwarded as soon as the packet filter is in".into());
    }
    let (chain, target) = (after(&["-A", "--append", "-I", "--insert", "-P", "--policy"]), after(&["-j", "--jump"]));
    match (chain, target) {
        (Some("POSTROUTING"), Some("MASQUERADE" | "SNAT")) => {
            Fate::Anyway("what leaves by the uplink has its address".into())
        }
        (Some("FORWARD"), Some("ACCEPT")) if words.iter().any(|word| word.contains("ESTABLISHED")) => {
            Fate::Anyway("answers come in".into())
        }
        (Some("FORWARD"), Some("ACCEPT")) if after(&["-d", "--dport", "--destination-port"]).is_some() => {
            Fate::Anyway("a port that is forwarded is let in, if its DNAT rule was taken over".into())
        }
        (Some("FORWARD"), Some("ACCEPT")) => Fate::Anyway("the LAN may go out".into()),
        (Some("INPUT"), Some("ACCEPT")) if after(&["--dport"]).is_none() => {
            Fate::Anyway("the LAN, answers and ping reach the gateway".into())
        }
        (Some("FORWARD" | "INPUT"), Some("DROP" | "REJECT")) if after(&["-s", "-d", "-m"]).is_none() => {
            Fate::Anyway("what was not asked for is dropped".into())
        }
        (Some("FORWARD" | "INPUT" | "OUTPUT"), None) => Fate::Anyway("the gateway has policies of its own".into()),
        (Some("FORWARD"), Some("TCPMSS")) => Fate::Anyway("the MSS is clamped".into()),
        (Some("PREROUTING"), Some("DNAT")) => port_forward(&after, draft),
        _ => Fate::Left("write it as `[[forward]]`, `[[firewall.allow]]` or `[[firewall.block]]`, or leave it".into()),
    }
}

fn port_forward<'w>(after: &impl Fn(&[&str]) -> Option<&'w str>, draft: &mut Draft) -> Fate {
    let advice = "write it as `[[forward]]`: one port or range of TCP or UDP, to one address of the LAN";
    let protocol = match after(&["-p", "--protocol", "--proto"]) {
        Some("tcp") => "tcp",
        Some("udp") => "udp",
        _ => return Fate::Left(advice.into()),
    };
    let port = after(&["--dport", "--destination-port"]);
    let (Some(port), Some(target)) = (port, after(&["--to-destination"])) else { return Fate::Left(advice.into()) };
    let (address, to_port) = target.split_once(':').map_or((target, None), |(address, port)| (address, Some(port)));
    let Ok(to) = address.parse() else { return Fate::Left(advice.into()) };
    let port = port.replace(':', "-");
    let to_port = to_port.map(str::to_string).filter(|to_port| *to_port != port);
    if to_port.as_ref().is_some_and(|to_port| to_port.parse::<u16>().is_err() || port.contains('-')) {
        return Fate::Left(advice.into());
    }
    draft.ports.push(PortForward { protocol, port, to, to_port });
    Fate::Taken
}
