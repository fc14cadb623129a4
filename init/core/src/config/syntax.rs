//! Mistakes in the TOML itself, and keys that nobody knows, said in plain words.
//!
//! The TOML crate's own messages are made of fixed words; the line is never quoted, since it may hold a passphrase.

use super::problem::Report;
use super::raw::{SECTIONS, shown_key};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;

/// Quotation marks that word processors and phones put in place of the straight ones.
const CURLY_QUOTES: [char; 8] =
    ['\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}', '\u{201a}', '\u{ab}', '\u{bb}'];

/// The most errors of the parser that are looked at: a file of garbage has one for each byte.
const MAX_ERRORS: usize = 500;

/// Reports each line that is not TOML, once.
pub(super) fn explain(errors: &[toml::de::Error], report: &mut Report<'_>) {
    let mut lines = BTreeSet::new();
    for error in errors.iter().take(MAX_ERRORS) {
        let at = error.span().map_or(0, |span| span.start);
        let line = report.line_at(at);
        // One mistake can trip the parser several times on its line.
        if !lines.insert(line.as_ptr() as usize) {
            continue;
        }
        let (what, cure) = explanation(error.message(), line);
        report.add(at, "", what, cure);
    }
}

/// What is wrong and what would be right. The parser names the rule that was broken; the line tells what was meant.
fn explanation(message: &str, line: &str) -> (String, String) {
    let is = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let (what, cure) = if line.contains(CURLY_QUOTES) {
        ("this line has curly quotation marks", "use the straight one, \", on both sides")
    } else if is(&["duplicate key"]) {
        ("this key or section stands in the file twice", "keep one of them")
    } else if !line.contains('=') && line.contains(':') {
        ("there is a colon where a = belongs", "write key = \"value\"")
    } else if line.trim_end().ends_with('=') || is(&["no value", "missing value"]) {
        ("a key has no value", "write key = \"value\", or put # before a remark")
    } else if is(&["escaped", "unicode value"]) {
        ("a text holds a backslash", "write every backslash twice, as \\\\")
    } else if has_open_text(line) || is(&["string", "opening quote"]) && !is(&["must be quoted"]) {
        (
            "a text has no closing quotation mark on its line",
            "put a straight quotation mark, \", before and after the text",
        )
    } else if is(&["invalid boolean"]) {
        (
            "text must stand in quotes, and true and false in small letters",
            "write key = \"value\", key = true or key = false",
        )
    } else if is(&[
        "must be quoted",
        "invalid float",
        "invalid integer",
        "invalid date",
        "leading zero",
        "sign",
        "digits",
    ]) {
        ("text must stand in quotes", "put a straight quotation mark, \", before and after it")
    } else if is(&["array elements", "in array", "unclosed array"]) {
        ("a list is not well formed", "write [\"one\", \"two\"], with a comma between the entries")
    } else if is(&["inline table", "key-value pairs"]) {
        ("a group in braces is not well formed", "write { name = \"value\", name = \"value\" } on one line")
    } else if is(&["unclosed table", "table open", "table header"]) {
        ("a section heading is not well formed", "write it alone on its line, as in [lan]")
    } else if is(&["unexpected key or value"]) {
        (
            "there is more on this line than one key and its value",
            "begin a new line for each key, and put # before a remark",
        )
    } else if is(&["extra `=`"]) {
        ("there is one = too many", "write key = \"value\"")
    } else if is(&["unquoted key", "cannot be empty"]) {
        ("a key has only letters, digits, - and _ in it", "write key = \"value\", and put # before a remark")
    } else {
        let what = format!("this line cannot be read ({message})");
        return (what, String::from("write key = \"value\", [section], or # before a remark"));
    };
    (String::from(what), String::from(cure))
}

/// Whether a text in double quotes is begun but not ended on the line.
fn has_open_text(line: &str) -> bool {
    let mut open = false;
    let mut escaped = false;
    for c in line.chars() {
        match c {
            '#' if !open => break,
            '"' if !escaped => open = !open,
            _ => {}
        }
        escaped = open && c == '\\' && !escaped;
    }
    open
}

/// Reports a key that does not belong where it stands.
pub(super) fn unknown_key(path: &str, known: &[&str], key: &str, at: usize, report: &mut Report<'_>) {
    let lower = key.to_ascii_lowercase();
    if path == "uplink.wifi" {
        // What stands here by mistake may be the passphrase itself, so it is not repeated.
        report.add(
            at,
            path,
            "an entry has a key that is not known",
            "the keys are ssid, passphrase, priority, hidden and security",
        );
        return;
    }
    let full = if path.is_empty() { shown_key(key) } else { format!("{path}.{}", shown_key(key)) };
    let nearest = known.iter().map(|name| (distance(&lower, name), *name)).min();
    let elsewhere = SECTIONS.iter().find(|(name, keys)| *name != path && keys.contains(&lower.as_str()));
    let cure = match (synonym(path, &lower), nearest, elsewhere) {
        (Some(name), _, _) => format!("did you mean {name}?"),
        (_, Some((steps, name)), _) if steps <= allowed_steps(name) => format!("did you mean {name}?"),
        (_, _, Some(("", _))) => format!("move {lower} to the top of the file, before the first [section]"),
        (_, _, Some((section, _))) => format!("it belongs in [{section}]"),
        _ if path.is_empty() => format!("the sections and keys are {}", list(known)),
        _ => format!("the keys of [{path}] are {}", list(known)),
    };
    report.add(at, &full, "this key is not known here", cure);
}

/// Words that other programs use for our keys.
fn synonym(path: &str, key: &str) -> Option<&'static str> {
    Some(match (path, key) {
        ("", "name" | "host_name") => "hostname",
        ("", "hosts") => "[[host]]",
        ("", "wan") => "[uplink]",
        ("uplink" | "lan", "ip" | "ip_address" | "addresses") => "address",
        ("uplink", "gateway4" | "router") => "gateway",
        ("uplink", "access-points" | "wlan") => "wifi",
        ("uplink" | "lan", "dev" | "device" | "iface") => "interface",
        ("dhcp", "range") => "pool",
        ("dhcp", "lease_time" | "time") => "lease",
        ("host", "hostname") => "name",
        ("host", "ip") => "address",
        ("dns", "server" | "servers" | "nameserver" | "nameservers") => "upstream",
        ("ntp", "server" | "pool") => "servers",
        ("", "time") => "[ntp]",
        ("dns", "log" | "log-queries") => "log_queries",
        _ => return None,
    })
}

fn allowed_steps(name: &str) -> usize {
    if name.len() <= 4 { 1 } else { 2 }
}

fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => String::from(*only),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// How many letters must be inserted, removed or replaced to turn one word into the other (Levenshtein). Words longer
/// than any key are not compared at all: the file is a stranger's.
fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 24;
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let mut row = [0; LONGEST + 1];
    for (index, cell) in row.iter_mut().enumerate() {
        *cell = index;
    }
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (y, cell) in b.bytes().zip(row.iter_mut().skip(1)) {
            let best = (diagonal + usize::from(x != y)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = best;
            left = best;
        }
    }
    row.get(b.len()).copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (a, b, steps) in
            [("", "lan", 3), ("lan", "lan", 0), ("uplnk", "uplink", 1), ("hsot", "host", 2), ("pool", "lease", 5)]
        {
            assert_eq!(distance(a, b), steps, "{a} {b}");
        }
    }
}
