//! `dns.stale`, `dns.prefetch` and `dns.cache_kib`: which answers from outside are kept, and for how long.

use super::problem::Report;
use super::raw::{At, Section};
use alloc::format;

/// Smallest and largest cache, in KiB. One answer alone may take 16.
const KIB: (i64, i64) = (64, 65_536);

/// What is kept of answers from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Whether an answer whose time is over is given when no server answers.
    pub stale: bool,
    /// Whether names that are asked for often are fetched anew shortly before their time is over.
    pub prefetch: bool,
    /// Memory for kept answers, in bytes.
    pub cache_bytes: usize,
}

impl Default for Keeping {
    fn default() -> Keeping {
        Keeping { stale: true, prefetch: true, cache_bytes: 4 << 20 }
    }
}

/// What the file says.
#[derive(Default)]
pub(super) struct Raw {
    stale: Option<bool>,
    prefetch: Option<bool>,
    cache_kib: Option<At<i64>>,
}

/// Reads the keys in `[dns]`.
pub(super) fn read(dns: &mut Section<'_, '_, '_>) -> Raw {
    Raw { stale: dns.switch("stale"), prefetch: dns.switch("prefetch"), cache_kib: dns.number("cache_kib") }
}

/// Checks them.
pub(super) fn check(raw: &Raw, report: &mut Report<'_>) -> Keeping {
    let default = Keeping::default();
    let (least, most) = KIB;
    let cache_bytes = match &raw.cache_kib {
        None => default.cache_bytes,
        Some(kib) if (least..=most).contains(&kib.value) => usize::try_from(kib.value).unwrap_or(0) * 1024,
        Some(kib) => {
            let what = format!("{} KiB is too {}", kib.value, if kib.value < least { "little" } else { "much" });
            report.add(kib.at, "dns.cache_kib", what, format!("write a number from {least} to {most}; 4096 is usual"));
            default.cache_bytes
        }
    };
    Keeping {
        stale: raw.stale.unwrap_or(default.stale),
        prefetch: raw.prefetch.unwrap_or(default.prefetch),
        cache_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use alloc::string::ToString;

    #[track_caller]
    fn check(keys: &str, message: &str) {
        let refused = parse(format!("[dns]\n{keys}").as_bytes()).expect_err(keys).to_string();
        assert_eq!(refused, format!("gateway.toml:2:{message}"));
    }

    #[test]
    fn keys_of_the_cache_are_read_and_mistakes_explained() {
        let config = parse(b"[dns]\nstale = false\nprefetch = false\ncache_kib = 64").unwrap();
        assert_eq!(config.dns.keeping, Keeping { stale: false, prefetch: false, cache_bytes: 65_536 });
        assert_eq!(parse(b"").unwrap().dns.keeping, Keeping::default());
        assert!(parse(b"[dns]\ncache_kib = 65_536").is_ok());
        let cure = "write a number from 64 to 65536; 4096 is usual";
        check("cache_kib = 63", &format!("13: dns.cache_kib: 63 KiB is too little; {cure}"));
        check("cache_kib = 65537", &format!("13: dns.cache_kib: 65537 KiB is too much; {cure}"));
        check("cache_kib = -1", &format!("13: dns.cache_kib: -1 KiB is too little; {cure}"));
        check(
            "cache_kib = \"4M\"",
            "13: dns.cache_kib: this must be a whole number, but is text; write cache_kib = 1, without quotes",
        );
        check(
            "stale = 1",
            "9: dns.stale: this must be true or false, but is a number without quotes; write stale = true or stale = false, without quotes",
        );
    }
}
