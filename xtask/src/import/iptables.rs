//! Rules of iptables, as `iptables-save` prints them or as commands: translation, forwarding, port forwards.
//!
//! Only plain forms are taken, or are said to hold anyway. A rule that looks at more (a sender, a rate, a negation) means less than its plain
//! form: it is listed, and so is a port forward that such a rule may narrow, since it would be open to everybody here.

mod rule;

use super::draft::{Draft, PortForward};
use super::ledger::{Fate, Ledger};
use gatepost_core::net::{Ipv4Addr, Ipv4Net};
use rule::Rule;

/// A line with its number and what was read from it.
struct Line<'t> {
    number: usize,
    text: &'t str,
    rule: Option<Rule>,
    fate: Option<Fate>,
}

/// Reads the file into the draft.
pub fn read(text: &str, draft: &mut Draft, ledger: &mut Ledger) {
    let mut lines = lines(text);
    let sides = Sides::find(draft, &lines);
    // What may narrow a port forward stands before or behind it: everything else is judged first.
    let forwards: Vec<Option<PortForward>> =
        lines.iter().map(|line| line.rule.as_ref().and_then(|rule| port_forward(rule, &sides))).collect();
    for line in &mut lines {
        line.fate = Some(match (&line.rule, &line.fate) {
            (_, Some(fate)) => fate.clone(),
            (Some(rule), None) => judge(rule, &sides, &forwards, draft),
            (None, None) => {
                left("write it as `[[forward]]`, `[[firewall.allow]]` or `[[firewall.block]]`, or leave it")
            }
        });
    }
    for (at, forward) in forwards.into_iter().enumerate() {
        let Some(forward) = forward else { continue };
        let fate = match narrowed(&forward, &sides, &lines) {
            Some(why) => Fate::Left(why),
            None => {
                draft.ports.push(forward);
                Fate::Taken
            }
        };
        if let Some(line) = lines.get_mut(at) {
            line.fate = Some(fate);
        }
    }
    for Line { number, text, fate, .. } in lines {
        fate.into_iter().for_each(|fate| ledger.enter(number, text, fate));
    }
}

/// The lines that say something. Heads of tables do not, nor chains with their policies in tables that filter nothing.
fn lines(text: &str) -> Vec<Line<'_>> {
    let mut table = "filter";
    let mut lines = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let text = line.trim();
        if let Some(name) = text.strip_prefix('*') {
            table = name;
        }
        if text.is_empty() || text.starts_with(['#', '*']) || text == "COMMIT" {
            continue;
        }
        let mut entry = Line { number, text, rule: None, fate: None };
        if let Some(chain) = text.strip_prefix(':') {
            let mut words = chain.split_whitespace();
            let (name, policy) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            if table != "filter" || policy == "-" {
                continue;
            }
            entry.rule = Rule::read(&format!("-P {name} {policy}"));
        } else if text.contains("ip_forward") {
            let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            let on = compact.ends_with("ip_forward=1") || compact.contains("echo1>");
            entry.fate = Some(if on {
                Fate::Anyway("packets are forwarded as soon as the packet filter is in".into())
            } else {
                left("forwarding is what a gateway does; it can't be switched off")
            });
        } else {
            entry.rule = Rule::read(text);
        }
        lines.push(entry);
    }
    lines
}

/// Which interface is on which side, as far as the files tell.
struct Sides {
    lan: Option<String>,
    uplink: Option<String>,
}

impl Sides {
    /// From the interfaces of the other files; without them the uplink is where packets are translated.
    fn find(draft: &Draft, lines: &[Line<'_>]) -> Self {
        let translated = || {
            let rules = lines.iter().filter_map(|line| line.rule.as_ref());
            let mut by = rules.filter(|rule| rule.target == "MASQUERADE" || rule.target == "SNAT");
            let first = by.find_map(|rule| rule.out_by.clone())?;
            by.all(|rule| rule.out_by.as_ref() == Some(&first)).then_some(first)
        };
        let lan = draft.lan_link().map(|link| link.name.clone()).or_else(|| draft.served.clone());
        let uplink = draft.uplink_link().map(|link| link.name.clone()).or_else(translated);
        Self { uplink: uplink.filter(|uplink| Some(uplink) != lan.as_ref()), lan }
    }

    fn is_uplink(&self, name: &Option<String>) -> bool {
        name.is_some() && *name == self.uplink
    }

    fn is_lan(&self, name: &Option<String>) -> bool {
        match (name, &self.lan) {
            (Some(name), Some(lan)) => name == lan,
            (Some(name), None) => name != "lo" && self.uplink.as_ref().is_some_and(|uplink| uplink != name),
            (None, _) => false,
        }
    }
}

const ANSWERS: &[&str] = &["RELATED", "ESTABLISHED"];
const FIRST: &[&str] = &["NEW", "RELATED", "ESTABLISHED"];

/// The fate of a rule that is no port forward.
fn judge(rule: &Rule, sides: &Sides, forwards: &[Option<PortForward>], draft: &Draft) -> Fate {
    let anyway = |why: &str| Fate::Anyway(why.into());
    let of_uplink = rule.in_by.is_none() || sides.is_uplink(&rule.in_by);
    match (rule.chain.as_str(), rule.target.as_str()) {
        ("INPUT" | "FORWARD", "DROP") if rule.is_policy => anyway("what was not asked for is dropped"),
        ("INPUT" | "FORWARD", "ACCEPT") if rule.is_policy => {
            left("from the uplink nothing comes in here: name what is to as `[[forward]]`")
        }
        ("OUTPUT", "ACCEPT") if rule.is_plain() => anyway("the gateway asks whom it must"),
        ("POSTROUTING", "MASQUERADE" | "SNAT") if translates(rule, sides, draft) => {
            anyway("what leaves by the uplink has its address")
        }
        ("FORWARD", "ACCEPT") if rule.is_about_states(ANSWERS) => anyway("answers come in"),
        ("FORWARD", "ACCEPT") if rule.is_about_states(&["DNAT"]) => anyway("a port that is forwarded is let in"),
        ("FORWARD", "ACCEPT") if goes_out(rule, sides) => anyway("the LAN may go out"),
        ("FORWARD", "ACCEPT") if of_uplink && forwards.iter().flatten().any(|forward| lets_in(rule, forward)) => {
            anyway("a port that is forwarded is let in, if its DNAT rule was taken over")
        }
        ("FORWARD", "ACCEPT") => left(
            "if it lets something in from the uplink, write it as `[[forward]]`; if it lets the LAN out, it is so anyway",
        ),
        ("INPUT", "ACCEPT") if rule.is_about_states(ANSWERS) => anyway("answers reach the gateway"),
        ("INPUT", "ACCEPT") if rule.is_plain() && rule.in_by.as_deref() == Some("lo") => {
            anyway("the gateway may speak to itself")
        }
        ("INPUT", "ACCEPT") if rule.is_plain() && sides.is_lan(&rule.in_by) => {
            anyway("the LAN reaches every service that the gateway has")
        }
        ("INPUT", "ACCEPT") if is_ping(rule) => anyway("ping is answered"),
        ("FORWARD" | "INPUT", "DROP" | "REJECT") if rule.is_plain() && of_uplink && !rule.is_insert => {
            anyway("what was not asked for is dropped; the LAN may go out")
        }
        ("FORWARD" | "INPUT", "DROP") if rule.is_about_states(&["INVALID"]) => {
            anyway("what belongs to no connection is dropped")
        }
        ("FORWARD", "DROP" | "REJECT") => left(
            "the LAN may go out, whatever this rule says: to keep a machine from it write `[[firewall.block]]`; ports and senders can't be named",
        ),
        ("FORWARD" | "POSTROUTING", "TCPMSS") if rule.others.iter().any(|word| word == "--clamp-mss-to-pmtu") => {
            anyway("the MSS is clamped")
        }
        ("PREROUTING", "DNAT") => left(
            "write it as `[[forward]]`: one port or range of TCP or UDP, from everybody, to one address of the LAN",
        ),
        _ => left("write it as `[[forward]]`, `[[firewall.allow]]` or `[[firewall.block]]`, or leave it"),
    }
}

fn left(advice: &str) -> Fate {
    Fate::Left(advice.into())
}

/// Whether it is what every packet to the uplink undergoes here: from all, or from the whole LAN.
fn translates(rule: &Rule, sides: &Sides, draft: &Draft) -> bool {
    let lan = draft.lan_link().and_then(|link| link.addresses.first());
    let same = |source: &String| {
        let net = source.parse::<Ipv4Net>().ok();
        net.zip(lan.copied()).is_some_and(|(net, lan)| (net.network(), net.prefix()) == (lan.network(), lan.prefix()))
    };
    let of_lan = rule.source.as_ref().is_none_or(same);
    let bare =
        rule.others.is_empty() && rule.protocol.is_none() && rule.destination.is_none() && rule.states.is_empty();
    of_lan && bare && (rule.out_by.is_none() || sides.is_uplink(&rule.out_by))
}

/// Whether it lets the whole LAN out, and nothing in.
fn goes_out(rule: &Rule, sides: &Sides) -> bool {
    let bare = rule.is_plain() || rule.states.iter().any(|state| state == "NEW") && rule.is_about_states(FIRST);
    let (from, to) = (sides.is_lan(&rule.in_by), sides.is_uplink(&rule.out_by));
    bare && (from || to) && (from || rule.in_by.is_none()) && (to || rule.out_by.is_none())
}

fn is_ping(rule: &Rule) -> bool {
    let kind = rule.icmp_type.as_deref().is_none_or(|kind| kind == "echo-request" || kind == "8");
    let others =
        rule.source.is_none() && rule.destination.is_none() && rule.others.is_empty() && rule.states.is_empty();
    rule.protocol.as_deref() == Some("icmp") && kind && others
}

/// Whether it lets exactly this forwarded port in, from everybody.
fn lets_in(rule: &Rule, forward: &PortForward) -> bool {
    let first = rule.states.is_empty() || rule.states.iter().any(|state| state == "NEW");
    let inner = forward.to_port.as_ref().unwrap_or(&forward.port);
    let destination = rule.destination.as_deref().map(|address| address.trim_end_matches("/32"));
    rule.is_known()
        && first
        && rule.protocol.as_deref() == Some(forward.protocol)
        && rule.port.as_ref().is_some_and(|port| port.replace(':', "-") == *inner)
        && destination.and_then(|address| address.parse().ok()) == Some(forward.to)
}

/// Why a port forward would let in more than the rules did, if so.
fn narrowed(forward: &PortForward, sides: &Sides, lines: &[Line<'_>]) -> Option<String> {
    let (mut closed, mut open) = (false, false);
    for line in lines {
        let Some(rule) = &line.rule else { continue };
        let forwarding = rule.chain == "FORWARD";
        if rule.is_policy || matches!(line.fate, Some(Fate::Anyway(_))) {
            closed |= forwarding && matches!(rule.target.as_str(), "DROP" | "REJECT") && rule.states.is_empty();
            open |= forwarding && (lets_in(rule, forward) || rule.states.iter().any(|state| state == "DNAT"));
        } else if forwarding && lets_all_in(rule, sides) {
            open = true;
        } else if may_narrow(rule, forward, sides) {
            return Some(format!(
                "line {} may let only some in, and a `[[forward]]` is open to everybody: write it if you mean that",
                line.number
            ));
        }
    }
    let why = "no rule of FORWARD lets it in, and a `[[forward]]` is open to everybody: write it if you mean that";
    (closed && !open).then(|| why.into())
}

/// Whether everything from the uplink goes on to the LAN.
fn lets_all_in(rule: &Rule, sides: &Sides) -> bool {
    let from = rule.in_by.is_none() || sides.is_uplink(&rule.in_by);
    rule.target == "ACCEPT" && rule.is_plain() && from && (rule.out_by.is_none() || sides.is_lan(&rule.out_by))
}

/// Whether a rule that was not understood may decide about packets of this port.
fn may_narrow(rule: &Rule, forward: &PortForward, sides: &Sides) -> bool {
    let (chain, port) = match rule.chain.as_str() {
        "FORWARD" => (true, forward.to_port.as_ref().unwrap_or(&forward.port)),
        "PREROUTING" => (true, &forward.port),
        _ => (false, &forward.port),
    };
    let one = |port: &str| !port.contains([':', '-']);
    let same_port = rule.port.as_ref().is_none_or(|other| other == port || !one(other) || !one(port));
    let same_protocol = rule.protocol.as_deref().is_none_or(|protocol| protocol == forward.protocol);
    let other_host = rule.chain == "FORWARD"
        && rule.destination.as_deref().is_some_and(|destination| {
            destination.trim_end_matches("/32").parse::<Ipv4Addr>().is_ok_and(|address| address != forward.to)
        });
    chain && rule.decides() && same_port && same_protocol && !other_host && !sides.is_lan(&rule.in_by)
}

/// `-p tcp|udp --dport port[:port] -j DNAT --to-destination address[:port]`, at most with the uplink as the way in.
fn port_forward(rule: &Rule, sides: &Sides) -> Option<PortForward> {
    let plain = rule.is_stateless() && rule.destination.is_none() && rule.out_by.is_none();
    let from_uplink =
        rule.in_by.is_none() || sides.is_uplink(&rule.in_by) || sides.uplink.is_none() && !sides.is_lan(&rule.in_by);
    if rule.chain != "PREROUTING" || rule.target != "DNAT" || !plain || !from_uplink {
        return None;
    }
    let protocol = match rule.protocol.as_deref() {
        Some("tcp") => "tcp",
        Some("udp") => "udp",
        _ => return None,
    };
    let (port, target) = (rule.port.as_ref()?.replace(':', "-"), rule.to.as_ref()?);
    let (address, to_port) =
        target.split_once(':').map_or((target.as_str(), None), |(address, port)| (address, Some(port)));
    let to_port = to_port.map(str::to_string).filter(|to_port| *to_port != port);
    if to_port.as_ref().is_some_and(|to_port| to_port.parse::<u16>().is_err() || port.contains('-')) {
        return None;
    }
    Some(PortForward { protocol, port, to: address.parse().ok()?, to_port })
}
