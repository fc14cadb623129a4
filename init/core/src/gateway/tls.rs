//! Which DNS servers can't be asked through TLS, and why: the shell sees it, people read it in status and log.

use super::Gateway;
use crate::time::Instant;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

/// Servers whose trouble is remembered: more than are ever spoken to at one time.
const MAX_TROUBLES: usize = 16;

/// Servers with trouble, as they stand in the configuration, and what it is: the end of a sentence.
#[derive(Default)]
pub(super) struct TlsTroubles(BTreeMap<String, String>);

impl TlsTroubles {
    /// A sentence for each.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(server, why)| sentence(server, why))
    }

    /// Takes news and returns what is to be said, if it is news to people. What stands behind a semicolon is the time,
    /// which changes by itself.
    fn take(&mut self, server: String, trouble: Option<String>) -> Option<String> {
        let Some(why) = trouble else {
            self.0.remove(&server)?;
            return Some(format!("The DNS server {server} can be asked again."));
        };
        let kind = |why: &str| why.split(';').next().map(String::from);
        let old = self.0.get(&server);
        if old.is_none() && self.0.len() >= MAX_TROUBLES {
            return None;
        }
        let is_new = old.is_none_or(|old| kind(old) != kind(&why));
        let text = sentence(&server, &why);
        self.0.insert(server, why);
        is_new.then_some(text)
    }
}

fn sentence(server: &str, why: &str) -> String {
    format!("The DNS server {server} can't be asked: {why}.")
}

impl Gateway {
    /// A server can't be asked through TLS, and why (the end of a sentence), or can be asked again.
    pub fn handle_tls_trouble(&mut self, server: String, trouble: Option<String>, now: Instant) {
        if let Some(text) = self.tls_troubles.take(server, trouble) {
            self.say(now, &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_said_once_and_its_end_too_and_the_table_has_an_end() {
        let mut troubles = TlsTroubles::default();
        let mut take = |server: &str, why: Option<&str>| troubles.take(server.into(), why.map(Into::into));
        assert_eq!(take("tls://a", None), None);
        assert_eq!(take("tls://a", Some("b; now")).unwrap(), "The DNS server tls://a can't be asked: b; now.");
        assert_eq!(take("tls://a", Some("b; later")), None);
        assert!(take("tls://a", Some("c")).is_some());
        assert_eq!(take("tls://a", None).unwrap(), "The DNS server tls://a can be asked again.");
        for n in 0..2 * MAX_TROUBLES {
            take(&format!("tls://{n}"), Some("b"));
        }
        assert_eq!(troubles.lines().count(), MAX_TROUBLES);
    }
}
