//! One rule of iptables as its parts, with all that is not understood kept apart: whoever judges a rule must see that there is more.

/// A rule, as far as it is read.
#[derive(Default)]
pub struct Rule {
    /// Appended (`-A`) or inserted (`-I`) here, or its policy (`-P`).
    pub chain: String,
    pub is_policy: bool,
    pub is_insert: bool,
    pub target: String,
    pub in_by: Option<String>,
    pub out_by: Option<String>,
    pub protocol: Option<String>,
    pub source: Option<String>,
    pub destination: Option<String>,
    /// The port asked for; a range with `:` as iptables has it.
    pub port: Option<String>,
    /// States of the connection, in upper case.
    pub states: Vec<String>,
    pub icmp_type: Option<String>,
    pub to: Option<String>,
    /// Words that are none of these. With one of them the rule means something else than the rest of it says.
    pub others: Vec<String>,
}

impl Rule {
    /// Reads the words of a line; `None` if it neither adds a rule nor sets a policy.
    pub fn read(line: &str) -> Option<Self> {
        let mut rule = Self::default();
        let words = words(line);
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let mut next = || words.next().unwrap_or_default().to_string();
            match word {
                "sudo" | "iptables" | "iptables-legacy" | "iptables-nft" | "-w" | "--wait" => {}
                "-t" | "--table" | "--comment" | "--reject-with" | "--to-source" => drop(next()),
                "-A" | "--append" => rule.chain = next(),
                "-I" | "--insert" => (rule.chain, rule.is_insert) = (next(), true),
                "-P" | "--policy" => (rule.chain, rule.target, rule.is_policy) = (next(), next(), true),
                "-j" | "--jump" | "-g" | "--goto" => rule.target = next(),
                "-i" | "--in-interface" => rule.in_by = Some(next()),
                "-o" | "--out-interface" => rule.out_by = Some(next()),
                "-p" | "--protocol" | "--proto" => rule.protocol = Some(next()).filter(|protocol| protocol != "all"),
                "-s" | "--source" | "--src" => rule.source = Some(next()).filter(|net| net != "0.0.0.0/0"),
                "-d" | "--destination" | "--dst" => rule.destination = Some(next()).filter(|net| net != "0.0.0.0/0"),
                "--dport" | "--destination-port" => rule.port = Some(next()),
                "--state" | "--ctstate" => rule.states = next().to_uppercase().split(',').map(str::to_string).collect(),
                "--icmp-type" => rule.icmp_type = Some(next()),
                "--to-destination" => rule.to = Some(next()),
                "-m" | "--match" => {
                    let module = next();
                    if !["tcp", "udp", "icmp", "state", "conntrack", "comment"].contains(&module.as_str()) {
                        rule.others.push(module);
                    }
                }
                number if rule.is_insert && rule.target.is_empty() && number.bytes().all(|c| c.is_ascii_digit()) => {}
                other => rule.others.push(other.into()),
            }
        }
        (!rule.chain.is_empty()).then_some(rule)
    }

    /// Whether nothing but interfaces is looked at.
    pub fn is_plain(&self) -> bool {
        self.is_stateless() && self.protocol.is_none() && self.destination.is_none() && self.port.is_none()
    }

    /// Whether neither the sender, the state of the connection nor anything unknown is looked at.
    pub fn is_stateless(&self) -> bool {
        self.states.is_empty() && self.is_known()
    }

    /// Whether neither the sender nor anything unknown is looked at.
    pub fn is_known(&self) -> bool {
        self.source.is_none() && self.icmp_type.is_none() && self.others.is_empty()
    }

    /// Whether only interfaces and states are looked at, and all states are among these.
    pub fn is_about_states(&self, wanted: &[&str]) -> bool {
        let plain = self.protocol.is_none() && self.destination.is_none() && self.port.is_none() && self.is_known();
        plain && !self.states.is_empty() && self.states.iter().all(|state| wanted.contains(&state.as_str()))
    }

    /// Whether its target ends the way of a packet, or leads into a chain that may.
    pub fn decides(&self) -> bool {
        let goes_on = ["LOG", "NFLOG", "MARK", "CONNMARK", "TCPMSS", "TTL", "DSCP", "CT", "TRACE", "DNAT", ""];
        !goes_on.contains(&self.target.as_str())
    }
}

/// Words between blanks; what stands in quotes is one word.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for c in line.chars() {
        match c {
            '"' | '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
