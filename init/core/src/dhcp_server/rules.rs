//! Which options and which boot file a client gets: by its tags, which the configuration's hosts and matches give it.

use super::request::Request;
use super::settings::Settings;
use crate::config::{DhcpBoot, DhcpOption, Host};
use crate::dhcp_option::{Value, decode};
use alloc::string::String;
use alloc::vec::Vec;

/// The tag of every host of the configuration.
const KNOWN: &str = "known";

/// A client's tags, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tags(u64);

/// The tags by their bits. The configuration has at most 31 of hosts and 31 of matches; what came after 64 would be
/// nobody's.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    names: Vec<String>,
}

impl Rules {
    pub(super) fn new(settings: &Settings) -> Self {
        let hosts = settings.hosts.iter().flat_map(|host| &host.tags);
        let matches = settings.matches.iter().map(|entry| &entry.tag);
        let mut names = Vec::from([String::from(KNOWN)]);
        for name in hosts.chain(matches) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        Self { names }
    }

    fn bit(&self, name: &str) -> u64 {
        let index = self.names.iter().position(|other| other == name).and_then(|index| u32::try_from(index).ok());
        index.and_then(|index| 1u64.checked_shl(index)).unwrap_or(0)
    }

    /// The tags of a client that is `host`, or none of them.
    pub(super) fn tags(&self, request: &Request<'_>, host: Option<&Host>, settings: &Settings) -> Tags {
        let mut bits = 0;
        if let Some(host) = host {
            bits |= self.bit(KNOWN);
            host.tags.iter().for_each(|tag| bits |= self.bit(tag));
        }
        for entry in &settings.matches {
            let mac = entry.mac.is_none_or(|prefix| request.client.hardware.mac().is_some_and(|mac| prefix.fits(mac)));
            let vendor = entry.vendor_class.as_ref().is_none_or(|class| {
                request.vendor_class.as_ref().is_some_and(|sent| sent.starts_with(class.as_bytes()))
            });
            let user = entry
                .user_class
                .as_ref()
                .is_none_or(|class| request.user_class.as_ref().is_some_and(|sent| has_class(sent, class.as_bytes())));
            if mac && vendor && user {
                bits |= self.bit(&entry.tag);
            }
        }
        Tags(bits)
    }

    /// The configured option of this number for a client: one for a tag of its own comes before the one for all.
    pub(super) fn option<'s>(&self, code: u8, tags: Tags, settings: &'s Settings) -> Option<&'s DhcpOption> {
        let fits = |option: &&DhcpOption| option.code == code;
        self.pick(settings.options.iter().filter(fits), |option| option.tag.as_deref(), tags)
    }

    /// What the client is told about booting.
    pub(super) fn boot<'s>(&self, tags: Tags, settings: &'s Settings) -> Option<&'s DhcpBoot> {
        self.pick(settings.boot.iter(), |boot| boot.tag.as_deref(), tags)
    }

    fn pick<'s, T>(
        &self,
        mut list: impl Iterator<Item = &'s T> + Clone,
        tag: impl Fn(&T) -> Option<&str>,
        Tags(bits): Tags,
    ) -> Option<&'s T> {
        let own = list.clone().find(|entry| tag(entry).is_some_and(|tag| self.bit(tag) & bits != 0));
        own.or_else(|| list.find(|entry| tag(entry).is_none()))
    }
}

/// Whether option 77 names the class: as one of its list (RFC 3004), or as its whole text, which many clients send.
fn has_class(sent: &[u8], class: &[u8]) -> bool {
    let list = match decode(77, sent) {
        Some(Value::Classes(list)) => list,
        _ => Vec::new(),
    };
    sent == class || list.iter().any(|entry| entry == class)
}
