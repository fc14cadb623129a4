//! Words on the control socket that switch a log on or off until the next start. They change nothing else, and nothing that is
//! kept: what the configuration says counts again after that.

use super::Gateway;
use crate::time::Instant;
use alloc::string::String;

/// What to type.
const HELP: &str = "write log dns on, log dns off\n";

/// Obeys the words after `log`; the answer is for the person.
pub(super) fn obey(gateway: &mut Gateway, words: &str, now: Instant) -> String {
    let mut words = words.split_ascii_whitespace();
    let on = match (words.next(), words.next(), words.next()) {
        (Some("dns"), Some("on"), None) => true,
        (Some("dns"), Some("off"), None) => false,
        _ => return HELP.into(),
    };
    gateway.config.dns.log_queries = on;
    gateway.dns.set_logging(on);
    let said = if on { "Queries are logged from now on." } else { "Queries are no longer logged." };
    // Into the log alone: it says there why lines begin or end.
    gateway.log.push(now, said);
    alloc::format!("{said}\n")
}
