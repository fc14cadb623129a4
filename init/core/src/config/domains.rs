//! Domains of the DNS as keys of `[dns]` name them: not only our own kind, so that underscores are allowed.

use super::problem::{Report, echo};
use super::raw::At;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The most domains in one list. More belong into a list of another kind.
const MAX_DOMAINS: usize = 256;

/// Reads a list of domains; each is good for itself and everything below it.
pub(super) fn list(texts: &[At<String>], key: &str, report: &mut Report<'_>) -> Vec<String> {
    let mut domains: Vec<String> = Vec::new();
    for At { value, at } in texts {
        let Some(domain) = domain(value) else {
            let cure = "write a domain such as \"example.com\"; everything below it is meant too";
            report.add(*at, key, format!("{} is not a domain", echo(value)), cure);
            continue;
        };
        if domains.contains(&domain) {
            report.add(*at, key, format!("{domain} stands in the list twice"), "keep one of them");
        } else if domains.len() == MAX_DOMAINS {
            report.add(*at, key, format!("there are more than {MAX_DOMAINS} domains"), "remove some");
            break;
        } else {
            domains.push(domain);
        }
    }
    domains
}

/// A name of one or more labels with single dots between them (RFC 1035 section 3.1), in lower case without a dot at
/// the end; `None` if it is none.
pub(super) fn domain(text: &str) -> Option<String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(plain);
    (text.len() <= 253 && text.split('.').all(label)).then(|| text.to_ascii_lowercase())
}
