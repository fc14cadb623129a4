//! Words on the control socket that switch a log on or off until the next start. They change nothing else, and nothing that is
//! kept: what the configuration says counts again after that.

use super::Gateway;
use crate::time::Instant;
use alloc::format;
use alloc::string::String;

/// What to type.
const HELP: &str = "write log dns on, log dns off, log dhcp on or log dhcp off\n";

/// Obeys the words after `log`; the answer is for the person.
pub(super) fn obey(gateway: &mut Gateway, words: &str, now: Instant) -> String {
    let mut words = words.split_ascii_whitespace();
    let (which, switch, more) = (words.next(), words.next(), words.next());
    let on = match (switch, more) {
        (Some("on"), None) => true,
        (Some("off"), None) => false,
        _ => return HELP.into(),
    };
    let what = match which {
        Some("dns") => {
            gateway.config.dns.log_queries = on;
            gateway.dns.set_logging(on);
            "Queries"
        }
        Some("dhcp") => {
            gateway.config.dhcp.log = on;
            gateway.server.set_logging(on);
            "DHCP messages"
        }
        _ => return HELP.into(),
    };
    let said = if on { format!("{what} are logged from now on.") } else { format!("{what} are no longer logged.") };
    // Into the log alone: it says there why lines begin or end.
    gateway.log.push(now, &said);
    said + "\n"
}
