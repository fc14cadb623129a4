//! `dns.rebind_protection` and `dns.rebind_allow`: which names of the internet may mean machines of the house.

use super::domains;
use super::problem::Report;
use super::raw::{At, Section};
use alloc::string::String;
use alloc::vec::Vec;

/// What keeps names of the internet from meaning machines of the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebind {
    /// Whether private addresses in answers from outside are kept back.
    pub protection: bool,
    /// Domains that may have them, in lower case; everything below is meant too.
    pub allow: Vec<String>,
}

impl Default for Rebind {
    fn default() -> Rebind {
        Rebind { protection: true, allow: Vec::new() }
    }
}

/// What the file says.
#[derive(Default)]
pub(super) struct Raw {
    protection: Option<bool>,
    allow: Vec<At<String>>,
}

/// Reads the keys in `[dns]`.
pub(super) fn read(dns: &mut Section<'_, '_, '_>) -> Raw {
    Raw { protection: dns.switch("rebind_protection"), allow: dns.texts("rebind_allow") }
}

/// Checks them.
pub(super) fn check(raw: &Raw, report: &mut Report<'_>) -> Rebind {
    let allow = domains::list(&raw.allow, "dns.rebind_allow", report);
    Rebind { protection: raw.protection.unwrap_or(true), allow }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use alloc::format;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    #[track_caller]
    fn check(keys: &str, message: &str) {
        let refused = parse(format!("[dns]\n{keys}").as_bytes()).expect_err(keys).to_string();
        assert_eq!(refused, format!("gateway.toml:2:{message}"));
    }

    #[test]
    fn rebinding_keys_are_read_and_mistakes_explained() {
        let config =
            parse(b"[dns]\nrebind_protection = false\nrebind_allow = [\"Corp.Example.\", \"_x.net\"]").unwrap();
        assert!(!config.dns.rebind.protection);
        assert_eq!(config.dns.rebind.allow, ["corp.example", "_x.net"]);
        assert!(parse(b"").unwrap().dns.rebind.protection);
        check(
            "rebind_allow = [\"*.example.com\"]",
            "17: dns.rebind_allow: \"*.example.com\" is not a domain; write a domain such as \"example.com\"; everything below it is meant too",
        );
        check(
            "rebind_allow = [\"a.net\", \"A.net.\"]",
            "26: dns.rebind_allow: a.net stands in the list twice; keep one of them",
        );
        let many: Vec<String> = (0..=256).map(|n| format!("\"a{n}.net\"")).collect();
        check(
            &format!("rebind_allow = [{}]", many.join(",")),
            "2723: dns.rebind_allow: there are more than 256 domains; remove some",
        );
        check(
            "rebind_protection = \"no\"",
            "21: dns.rebind_protection: this must be true or false, but is text; write rebind_protection = true or rebind_protection = false, without quotes",
        );
    }
}
