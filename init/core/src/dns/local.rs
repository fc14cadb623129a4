//! The names of the LAN, and every other name that is answered here and never asked upstream.
//!
//! A host is known by its single label and by its full name under the domain, forwards (A) and backwards (PTR); any
//! other type of an existing name is "no such record", unless the configuration has one ([`Records`]). An alias is
//! followed as far as it leads within the house. For our domain and the special zones the gateway is the authority: what
//! does not exist gets NXDOMAIN with an SOA. A single label that is no host does not exist either, but without an SOA, so
//! that no client concludes anything about a top-level domain of that name (RFC 8020). Domains with servers of their own
//! are not ours, but where they lie around our domain or network these stay ours. One thing about a zone of ours is for
//! the zone above to say: whether it is signed (DS). Validating clients ask for that before they believe us.

use super::api::{NameRecord, NameRefused, Settings};
use super::chain::Chain;
use super::name::Name;
use super::query::{Asked, Question};
use super::records::{Found, Item, Records};
use super::reply::MAX_CHAIN;
use super::wire::{Header, class, flag, rcode, rtype};
use super::write::Writer;
use super::zones::{self, Kind, Reverse};
use super::{MAX_NAMES, answer};
use crate::config::Forward;
use crate::net::{Ipv4Addr, Ipv4Net};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// Seconds that a client may keep a host's address: a lease may change hands.
const HOST_TTL: u32 = 30;

/// Seconds that a client may keep "no such host": the next lease may bring it.
const ABSENT_TTL: u32 = 10;

/// Seconds that a client may keep what never changes (RFC 6303 section 3).
const FIXED_TTL: u32 = 10_800;

/// Labels that no host may have, whoever wants it: they mean something else to everybody who asks for them.
const RESERVED: [&str; 4] = ["gateway", "isatap", "localhost", "wpad"];

/// The local names and zones.
pub(super) struct Local {
    hostname: String,
    domain: Name,
    lan: Ipv4Net,
    /// Address by label in lower case; the gateway's own among them.
    names: BTreeMap<String, Ipv4Addr>,
    /// The label that an address is called by.
    reverse: BTreeMap<Ipv4Addr, String>,
    zones: Vec<(Name, Kind)>,
    /// Of the configuration.
    records: Records,
    /// Domains that have servers of their own.
    forwards: Vec<Name>,
    /// Of the SOA: counts the changes.
    serial: u32,
}

/// What the local names say.
pub(super) enum Said {
    /// The answer is written, with this response code.
    Answer(u16),
    /// An alias leads to a name that the servers are to be asked for.
    Leads(Box<Chain>),
}

/// Records as they are answered.
enum Data<'a> {
    A(Ipv4Addr),
    Loopback6,
    Name(Box<Name>),
    Item(&'a Item),
    Soa,
}

/// Where a name stands among those that are ours.
struct Place<'a> {
    /// The zone whose SOA goes with a negative answer; `None`: no SOA.
    zone: Option<Name>,
    ttl: u32,
    /// What the name has; `None`: it does not exist.
    has: Option<Has>,
    /// Its records of the configuration, which come before what else it has.
    items: &'a [Item],
}

impl Place<'_> {
    /// TTL and target, if the name is an alias and this is not what was asked for.
    fn alias(&self, qtype: u16) -> Option<(u32, Name)> {
        let found = self.items.iter().find_map(|item| Some((item.ttl, item.alias()?)));
        found.filter(|_| qtype != rtype::CNAME)
    }
}

/// What an existing name has.
enum Has {
    Nothing,
    Addresses(&'static [Ipv4Addr]),
    Host(Ipv4Addr),
    Loopback,
    Pointer(Box<Name>),
}

impl Local {
    pub(super) fn new(settings: &Settings) -> Local {
        let mut local = Local {
            hostname: String::new(),
            domain: Name::ROOT,
            lan: settings.lan,
            names: BTreeMap::new(),
            reverse: BTreeMap::new(),
            zones: zones::zones(),
            records: Records::default(),
            forwards: Vec::new(),
            serial: 0,
        };
        local.configure(settings);
        local
    }

    /// Takes changed settings; the hosts stay.
    pub(super) fn configure(&mut self, settings: &Settings) {
        let hosts: Vec<NameRecord> = self.names().filter(|record| record.name != self.hostname).collect();
        let domain = Name::from_text(&settings.domain).filter(|name| *name != Name::ROOT);
        self.domain = domain.or_else(|| Name::from_text(Settings::DOMAIN)).unwrap_or(Name::ROOT).to_lower();
        self.hostname = label(&settings.hostname).unwrap_or_default();
        self.lan = settings.lan;
        self.records = Records::new(&settings.records);
        self.set_names(&hosts);
    }

    /// Takes the domains that have servers of their own.
    pub(super) fn set_forwards(&mut self, forwards: &[Forward]) {
        self.forwards = forwards.iter().filter_map(|forward| Name::from_text(&forward.domain)).collect();
    }

    /// Replaces all hosts; the gateway itself stays. Returns how many were refused.
    pub(super) fn set_names(&mut self, records: &[NameRecord]) -> usize {
        self.serial = self.serial.wrapping_add(1);
        self.names.clear();
        self.reverse.clear();
        if !self.hostname.is_empty() {
            self.names.insert(self.hostname.clone(), self.lan.address());
            self.reverse.insert(self.lan.address(), self.hostname.clone());
        }
        records.iter().filter(|record| self.set_name(record).is_err()).count()
    }

    /// Adds a host, or gives it another address.
    pub(super) fn set_name(&mut self, record: &NameRecord) -> Result<(), NameRefused> {
        let label = label(&record.name).ok_or(NameRefused::NotALabel)?;
        if label == self.hostname || RESERVED.contains(&label.as_str()) {
            return Err(NameRefused::Reserved);
        }
        if self.names.get(&label) == Some(&record.address) {
            return Ok(());
        }
        if self.names.len() >= MAX_NAMES && !self.names.contains_key(&label) {
            return Err(NameRefused::Full);
        }
        self.remove_name(&label);
        self.names.insert(label.clone(), record.address);
        self.reverse.entry(record.address).or_insert(label);
        Ok(())
    }

    /// Forgets a host; the gateway's own name stays.
    pub(super) fn remove_name(&mut self, name: &str) {
        let Some(label) = label(name).filter(|label| *label != self.hostname) else { return };
        self.serial = self.serial.wrapping_add(1);
        let Some(address) = self.names.remove(&label) else { return };
        if self.reverse.get(&address) == Some(&label) {
            self.reverse.remove(&address);
            let heir = self.names.iter().find(|(_, other)| **other == address).map(|(label, _)| label.clone());
            if let Some(heir) = heir {
                self.reverse.insert(address, heir);
            }
        }
    }

    /// All names, the gateway's own included, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = NameRecord> {
        self.names.iter().map(|(name, address)| NameRecord { name: name.clone(), address: *address })
    }

    /// Whether the question must not go upstream.
    pub(super) fn claims(&self, question: &Question) -> bool {
        self.place(&question.name, question.qtype).is_some()
    }

    /// Writes the answer to `out`, or says where an alias leads; `None` if the question is for the servers.
    pub(super) fn respond(&self, question: &Question, asked: &Asked<'_>, out: &mut Vec<u8>) -> Option<Said> {
        let (mut name, mut place) = (question.name, self.place(&question.name, question.qtype)?);
        if question.class != class::IN {
            answer::empty(asked, rcode::REFUSED, out);
            return Some(Said::Answer(rcode::REFUSED));
        }
        if question.qtype == rtype::ANY && place.has.is_some() {
            answer::any_refused(asked, out);
            return Some(Said::Answer(rcode::NOERROR));
        }
        let mut aliases = Vec::new();
        while let Some((ttl, target)) = place.alias(question.qtype) {
            if aliases.len() == MAX_CHAIN {
                // A circle, most likely.
                answer::empty(asked, rcode::SERVFAIL, out);
                return Some(Said::Answer(rcode::SERVFAIL));
            }
            aliases.push((name, ttl, target));
            match self.place(&target, question.qtype) {
                Some(next) => (name, place) = (target, next),
                None => return Some(Said::Leads(Box::new(Chain { aliases, target }))),
            }
        }
        Some(Said::Answer(self.write_answer(&aliases, &name, place, question.qtype, asked, out)))
    }

    /// The aliases, then what the last name has; its response code counts (RFC 6604 section 3).
    fn write_answer(
        &self,
        aliases: &[(Name, u32, Name)],
        name: &Name,
        place: Place<'_>,
        qtype: u16,
        asked: &Asked<'_>,
        out: &mut Vec<u8>,
    ) -> u16 {
        let code = if place.has.is_some() { rcode::NOERROR } else { rcode::NXDOMAIN };
        let mut writer = Writer::new(asked.question);
        for (owner, ttl, target) in aliases {
            self.write(&mut writer, owner, rtype::CNAME, *ttl, &Data::Name(Box::new(*target)));
        }
        let records = self.records(&place, name, qtype);
        for data in &records {
            let ttl = if let Data::Item(item) = data { item.ttl } else { place.ttl };
            self.write(&mut writer, name, qtype, ttl, data);
        }
        let soa = place.zone.filter(|_| records.is_empty());
        if let Some(zone) = &soa {
            self.write(&mut writer, zone, rtype::SOA, negative_ttl(place.ttl), &Data::Soa);
        }
        let flags = flag::QR | flag::AA | flag::RA | asked.flags | code;
        // The configuration bounds the records, and a zone has one SOA: the numbers are small.
        let counts = [1, (aliases.len() + records.len()) as u16, u16::from(soa.is_some()), 0];
        out.clear();
        out.extend_from_slice(&writer.finish(Header { id: asked.id, flags, counts }));
        answer::end(asked, code, out);
        if out.len() > asked.limit {
            answer::empty(asked, flag::TC | flag::AA | code, out);
        }
        code
    }

    /// The records of the place that the question is for.
    fn records<'a>(&self, place: &Place<'a>, name: &Name, qtype: u16) -> Vec<Data<'a>> {
        let items: Vec<Data<'a>> = place.items.iter().filter(|item| item.rtype == qtype).map(Data::Item).collect();
        if !items.is_empty() {
            return items;
        }
        let is_zone = place.zone == Some(*name) && (place.items.is_empty() || *name == self.domain);
        let at_apex = is_zone && !matches!(place.has, None | Some(Has::Host(_)));
        match (qtype, &place.has) {
            (rtype::A, Some(Has::Host(address))) => Vec::from([Data::A(*address)]),
            (rtype::A, Some(Has::Addresses(all))) => all.iter().map(|address| Data::A(*address)).collect(),
            (rtype::A, Some(Has::Loopback)) => Vec::from([Data::A(Ipv4Addr::LOCALHOST)]),
            (rtype::AAAA, Some(Has::Loopback)) => Vec::from([Data::Loopback6]),
            (rtype::PTR, Some(Has::Pointer(name))) => Vec::from([Data::Name(name.clone())]),
            (rtype::SOA, _) if at_apex => Vec::from([Data::Soa]),
            (rtype::NS, _) if at_apex => Vec::from([Data::Name(Box::new(self.own_name()))]),
            _ => Vec::new(),
        }
    }

    fn write(&self, writer: &mut Writer, owner: &Name, kind: u16, ttl: u32, data: &Data<'_>) {
        writer.record(owner, (kind, class::IN), ttl, |writer| match data {
            Data::A(address) => writer.raw(&address.octets()),
            Data::Loopback6 => writer.raw(&core::net::Ipv6Addr::LOCALHOST.octets()),
            Data::Name(name) => writer.name(name, true),
            Data::Item(item) => item.write(writer),
            Data::Soa => soa(writer, &self.own_name(), self.serial, negative_ttl(ttl)),
        });
    }

    /// The gateway's full name.
    pub(super) fn own_name(&self) -> Name {
        Name::under(&self.hostname, &self.domain).unwrap_or(self.domain)
    }

    /// `None` if the name is not ours to answer for.
    fn place(&self, name: &Name, qtype: u16) -> Option<Place<'_>> {
        if qtype == rtype::DS && self.is_delegated(name) {
            return None;
        }
        let place = self.place_of_hosts(name, qtype);
        if self.records.is_empty() {
            return place;
        }
        let is_label = name.labels().count() == 1;
        let whole = if is_label { name.labels().next().and_then(|label| self.under_domain(label))? } else { *name };
        // In no zone of ours, the name is one of its own.
        let zone = place.as_ref().map_or(Some(*name), |place| place.zone);
        let ttl = place.as_ref().map_or(HOST_TTL, |place| place.ttl);
        let exists = place.as_ref().is_some_and(|place| place.has.is_some());
        let items = match self.records.find(&whole) {
            Some(Found::Items(items)) => Some(items),
            Some(Found::Above) => return place.map(|place| Place { has: place.has.or(Some(Has::Nothing)), ..place }),
            None if exists || is_label => None,
            None => self.records.find_star(&whole, |above| self.exists(above)),
        };
        let Some(items) = items else { return place };
        let has = place.and_then(|place| place.has).or(Some(Has::Nothing));
        Some(Place { zone: zone.or(Some(*name)), ttl, has, items })
    }

    /// Whether a zone of ours begins at the name, and the zone above it is not ours: DS records belong to that one (RFC 4035
    /// section 3.1.4.1). What it says, and proves, is that ours is not signed; from us a validating client would take
    /// nothing for an attack.
    fn is_delegated(&self, name: &Name) -> bool {
        zones::is_delegated(&self.zones, name)
            || *name == self.domain && !self.zones.iter().any(|(zone, _)| name.is_within(zone))
    }

    /// Whether a name above another one exists beside the records of the configuration.
    fn exists(&self, name: &Name) -> bool {
        *name == self.domain
            || name.is_within(&self.domain) && name.without(1) == self.domain && self.host(name).is_some()
    }

    fn under_domain(&self, label: &[u8]) -> Option<Name> {
        Name::under(core::str::from_utf8(label).ok()?, &self.domain)
    }

    /// The same without the records of the configuration.
    fn place_of_hosts(&self, name: &Name, qtype: u16) -> Option<Place<'_>> {
        let changing = |zone, has| Some(Place { zone, ttl: HOST_TTL, has, items: &[] });
        let labels = name.labels().count();
        if labels == 1
            && let Some(address) = self.host(name)
        {
            return changing(Some(*name), Some(Has::Host(address)));
        }
        let forwarded = self.forwarded(name);
        let depth = self.domain.labels().count();
        if name.is_within(&self.domain) && forwarded.is_none_or(|labels| labels <= depth) {
            let has = match labels - depth {
                0 => Some(Has::Nothing),
                1 => self.host(name).map(Has::Host),
                _ => None,
            };
            return changing(Some(self.domain), has);
        }
        if let Some(place) = self.reverse_place(name, forwarded) {
            return Some(place);
        }
        if forwarded.is_some() {
            return None;
        }
        if let Some((zone, kind)) = self.zones.iter().find(|(zone, _)| name.is_within(zone)) {
            let has = special(*kind, name == zone);
            return Some(Place { zone: Some(*zone), ttl: FIXED_TTL, has, items: &[] });
        }
        // What a validator on the LAN must know about a top-level domain tells nobody about our hosts.
        let of_a_zone = matches!(qtype, rtype::NS | rtype::SOA | rtype::DS | rtype::DNSKEY);
        if labels == 1 && !of_a_zone { changing(None, None) } else { None }
    }

    /// How many labels the longest domain has that the name lies in and that has servers of its own.
    fn forwarded(&self, name: &Name) -> Option<usize> {
        let around = self.forwards.iter().filter(|domain| name.is_within(domain));
        around.map(|domain| domain.labels().count()).max()
    }

    /// The address of the host that the first label names.
    fn host(&self, name: &Name) -> Option<Ipv4Addr> {
        let lower = name.to_lower();
        let label = lower.labels().next()?;
        self.names.get(core::str::from_utf8(label).ok()?).copied()
    }

    /// RFC 6303: private reverse zones are ours, and so is the LAN's own. Servers of its own may know a private zone, but
    /// not our machines: then only the LAN's zone is ours, unless the servers' is a part of that.
    fn reverse_place(&self, name: &Name, forwarded: Option<usize>) -> Option<Place<'_>> {
        let reverse = Reverse::read(name)?;
        let owner = reverse.address().and_then(|address| self.reverse.get(&address));
        let zone_depth = match forwarded {
            None => reverse.zone_depth(self.lan),
            // `in-addr.arpa` has two labels.
            Some(labels) => reverse.lan_depth(self.lan).filter(|depth| depth + 2 >= labels),
        };
        let zone_depth = zone_depth.or(owner.map(|_| 4))?;
        let zone = name.without(reverse.extra + reverse.depth() - zone_depth.min(reverse.depth()));
        let has = match (owner, reverse.address()) {
            (Some(label), _) => Name::under(label, &self.domain).map(pointer),
            (None, Some(Ipv4Addr::LOCALHOST)) => Name::from_text("localhost").map(pointer),
            _ if reverse.extra == 0 && (*name == zone || self.has_below(&reverse)) => Some(Has::Nothing),
            _ => None,
        };
        Some(Place { zone: Some(zone), ttl: HOST_TTL, has, items: &[] })
    }

    /// Whether a host's address lies in the prefix that a reverse name stands for.
    fn has_below(&self, reverse: &Reverse) -> bool {
        let range = reverse.prefix().map(|prefix| prefix.network()..=prefix.broadcast());
        range.is_some_and(|range| self.reverse.range(range).next().is_some())
    }
}

/// The data of an SOA: RFC 6303 section 3, with a count of changes and seconds for negative answers.
pub(super) fn soa(writer: &mut Writer, server: &Name, serial: u32, minimum: u32) {
    writer.name(server, true);
    writer.name(&Name::from_text("nobody.invalid").unwrap_or(Name::ROOT), true);
    for number in [serial, 3600, 1200, 604_800, minimum] {
        writer.u32(number);
    }
}

/// Seconds for "no such thing" where other records have `ttl`.
fn negative_ttl(ttl: u32) -> u32 {
    if ttl == FIXED_TTL { FIXED_TTL } else { ABSENT_TTL }
}

/// What a name in a special zone has.
fn special(kind: Kind, at_apex: bool) -> Option<Has> {
    /// RFC 7050 section 2.2.
    const WELL_KNOWN: &[Ipv4Addr] = &[Ipv4Addr::new(192, 0, 0, 170), Ipv4Addr::new(192, 0, 0, 171)];
    match kind {
        Kind::Loopback => Some(Has::Loopback),
        Kind::Void => Some(Has::Nothing),
        _ if !at_apex => None,
        Kind::Bare => Some(Has::Nothing),
        Kind::Ipv4Only => Some(Has::Addresses(WELL_KNOWN)),
        Kind::Pointer(target) => Name::from_text(target).map(pointer),
    }
}

fn pointer(name: Name) -> Has {
    Has::Pointer(Box::new(name))
}

/// A host's name in lower case, if it is a label that a host may have (RFC 952, RFC 1123 section 2.1, and `_`).
fn label(text: &str) -> Option<String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let ends = text.starts_with('-') || text.ends_with('-');
    ((1..=63).contains(&text.len()) && plain && !ends).then(|| text.to_ascii_lowercase())
}
