//! A `gateway.toml` while it is put together from several files.

use super::ledger::{Fate, Ledger};
use gatepost_core::net::{Ipv4Addr, Ipv4Net, MacAddr};
use std::collections::{BTreeMap, BTreeSet};

/// What is known so far. Nothing in here is checked but its form: the gateway's own check follows.
#[derive(Default)]
pub struct Draft {
    pub domain: Option<String>,
    /// Domains that are to stay in the house, each with its place in the ledger.
    pub locals: Vec<(String, usize)>,
    /// The place in the ledger of the directive that is being read.
    pub place: usize,
    /// The interface that dnsmasq serves.
    pub served: Option<String>,
    /// Interfaces as netplan has them.
    pub links: Vec<Link>,
    pub country: Option<String>,
    pub pool: Option<(Ipv4Addr, Ipv4Addr)>,
    /// The size of the LAN, where the pool names it.
    pub pool_prefix: Option<u8>,
    /// Tags that everybody of the pool has.
    pub pool_tags: Vec<String>,
    pub lease: Option<String>,
    pub hosts: Vec<Host>,
    pub upstream: Vec<String>,
    pub forwards: Vec<(String, Vec<String>)>,
    /// Name, type and value; the value is written as TOML already.
    pub records: Vec<(String, &'static str, String)>,
    pub options: Vec<DhcpOption>,
    pub matches: Vec<Match>,
    pub boots: Vec<Boot>,
    pub ports: Vec<PortForward>,
    pub rebind_allow: Vec<String>,
    /// A file of dnsmasq was read, and it keeps private addresses back (`stop-dns-rebind`).
    pub stop_rebind: Option<bool>,
    pub no_probe: bool,
    /// Only known clients are served: where in the ledger that is said.
    pub known_only: Option<usize>,
    pub netboot: bool,
    pub log_queries: bool,
    pub log_dhcp: bool,
    /// What [`Draft::settle`] makes of it.
    pub hostname: Option<String>,
    pub lan: Option<Ipv4Net>,
    pub uplink: Option<Link>,
}

/// An interface.
#[derive(Clone, Default)]
pub struct Link {
    pub name: String,
    pub addresses: Vec<Ipv4Net>,
    pub gateway: Option<Ipv4Addr>,
    pub wifi: Vec<(String, Option<String>)>,
    pub dns: Vec<String>,
}

/// A machine.
#[derive(Clone, Default)]
pub struct Host {
    pub name: Option<String>,
    pub macs: Vec<MacAddr>,
    pub client_id: Option<String>,
    pub address: Option<Ipv4Addr>,
    pub lease: Option<String>,
    pub ignore: bool,
    pub tags: Vec<String>,
    pub aliases: Vec<String>,
}

/// One `[[dhcp.option]]`; the value is written as TOML already.
pub struct DhcpOption {
    pub name: Option<&'static str>,
    pub code: u8,
    pub key: &'static str,
    pub value: String,
    pub tag: Option<String>,
    pub always: bool,
    /// Its place in the ledger.
    pub place: usize,
}

/// One `[[dhcp.match]]`.
pub struct Match {
    pub tag: String,
    pub key: &'static str,
    pub value: String,
}

/// One `[[dhcp.boot]]`.
pub struct Boot {
    pub tag: Option<String>,
    pub file: String,
    pub server: Option<String>,
    pub server_name: Option<String>,
    /// Its place in the ledger.
    pub place: usize,
}

/// One `[[forward]]`.
pub struct PortForward {
    pub protocol: &'static str,
    pub port: String,
    pub to: Ipv4Addr,
    pub to_port: Option<String>,
}

impl Draft {
    /// The host with this name, made if there is none.
    pub fn host_named(&mut self, name: &str) -> &mut Host {
        let at = self.hosts.iter().position(|host| host.name.as_deref() == Some(name));
        let at = at.unwrap_or_else(|| {
            self.hosts.push(Host { name: Some(name.into()), ..Host::default() });
            self.hosts.len() - 1
        });
        &mut self.hosts[at]
    }

    /// Whether the address is the gateway's own on one of its links; where no link is known, whether it is the first of
    /// the pool's network.
    pub fn may_be_gateway(&self, address: Ipv4Addr) -> bool {
        if self.links.is_empty() {
            let first = self.pool.map(|(first, _)| u32::from(first) & 0xffff_ff00 | 1);
            return first == Some(u32::from(address));
        }
        self.links.iter().flat_map(|link| &link.addresses).any(|net| net.address() == address)
    }

    /// Decides what only all files together can tell: which interface is the LAN, which the uplink, who is the gateway.
    pub fn settle(&mut self, ledger: &mut Ledger) {
        self.choose_domain(ledger);
        self.give_tags_a_meaning(ledger);
        self.keep_somebody_served(ledger);
        self.find_lan(ledger);
        self.find_uplink(ledger);
        self.take_own_name();
        self.keep_gateway_out_of_pool(ledger);
        self.give_every_host_a_name(ledger);
        self.choose_servers(ledger);
        if self.stop_rebind == Some(false) {
            let advice = "private addresses in answers from outside are kept back here: name the domains that may have \
                          them in [dns] rebind_allow, or write rebind_protection = false";
            ledger.remark("no stop-dns-rebind", advice);
        }
    }

    /// `domain` is the domain, wherever it stands; without it the first one that is to stay in the house.
    fn choose_domain(&mut self, ledger: &mut Ledger) {
        let domain = match (&self.domain, self.locals.first()) {
            (Some(domain), _) => domain.clone(),
            (None, Some((domain, place))) => {
                ledger.correct(*place, Fate::Taken);
                domain.clone()
            }
            (None, None) => return,
        };
        for (_, place) in self.locals.iter().filter(|(local, _)| *local != domain) {
            let advice = "besides `domain`, only the special names of the RFCs stay in the house";
            ledger.correct(*place, Fate::Left(advice.into()));
        }
        self.domain = Some(domain);
    }

    /// What is for everybody of the pool is for all; what is for a tag that nobody has is left out.
    fn give_tags_a_meaning(&mut self, ledger: &mut Ledger) {
        let of_hosts = self.hosts.iter().flat_map(|host| host.tags.iter().cloned());
        let given: Vec<String> = of_hosts.chain(self.matches.iter().map(|rule| rule.tag.clone())).collect();
        let pool = &self.pool_tags;
        let mut stays = |tag: &mut Option<String>, place: usize| {
            if tag.as_ref().is_some_and(|tag| pool.contains(tag)) {
                *tag = None;
            }
            let known = tag.as_ref().is_none_or(|tag| tag == "known" || given.contains(tag));
            if let (false, Some(tag)) = (known, &tag) {
                let advice = format!("no client has the tag `{tag}`: give it with `[[dhcp.match]]` or in a `[[host]]`");
                ledger.correct(place, Fate::Left(advice));
            }
            known
        };
        self.options.retain_mut(|option| stays(&mut option.tag, option.place));
        self.boots.retain_mut(|boot| stays(&mut boot.tag, boot.place));
        self.keep_one_of_each(ledger);
    }

    /// To serve known clients only is a mistake where nobody is known.
    fn keep_somebody_served(&mut self, ledger: &mut Ledger) {
        let known = |host: &Host| !host.ignore && (!host.macs.is_empty() || host.client_id.is_some());
        if let Some(place) = self.known_only
            && !self.hosts.iter().any(known)
        {
            self.known_only = None;
            let advice = "no machine is known by its hardware address: write each as `[[host]]` with its `mac`, and \
                          `unknown = false` into [dhcp]";
            ledger.correct(place, Fate::Left(advice.into()));
        }
    }

    /// Of several values for the same clients the first is kept.
    fn keep_one_of_each(&mut self, ledger: &mut Ledger) {
        let advice = "the same clients are told something else already: put all values into one entry, or remove one";
        let (mut options, mut boots) = (BTreeMap::new(), BTreeSet::new());
        self.options.retain(|option| {
            let value = (option.key, option.value.clone());
            let first =
                options.entry((option.code, option.tag.clone())).or_insert_with(|| (option.place, value.clone()));
            if first.0 != option.place && first.1 != value {
                ledger.correct(option.place, Fate::Left(advice.into()));
            }
            first.0 == option.place
        });
        self.boots.retain(|boot| {
            let first = boots.insert(boot.tag.clone());
            if !first {
                ledger.correct(boot.place, Fate::Left(advice.into()));
            }
            first
        });
    }

    /// The servers of dnsmasq, else those of the uplink. Others are asked by nobody.
    fn choose_servers(&mut self, ledger: &mut Ledger) {
        if self.upstream.is_empty()
            && let Some(uplink) = &self.uplink
        {
            self.upstream.clone_from(&uplink.dns);
        }
        for link in &self.links {
            let others: Vec<&str> =
                link.dns.iter().filter(|server| !self.upstream.contains(server)).map(String::as_str).collect();
            if !others.is_empty() {
                let advice =
                    format!("its name servers {} are not asked: add them to [dns] upstream", others.join(", "));
                ledger.remark(&link.name, &advice);
            }
        }
    }

    /// The interface of the LAN: the one that is served, else the one whose network holds the pool.
    pub fn lan_link(&self) -> Option<&Link> {
        let pool = self.pool.map(|pool| pool.0);
        let holds_pool = |link: &Link| link.addresses.iter().any(|net| pool.is_some_and(|pool| net.contains(pool)));
        match &self.served {
            Some(name) => self.links.iter().find(|link| link.name == *name),
            None => self.links.iter().find(|link| holds_pool(link)),
        }
    }

    /// The interface of the uplink: of the others the one with a router or a radio, else the first.
    pub fn uplink_link(&self) -> Option<&Link> {
        let lan = self.lan_link().map(|link| &link.name).or(self.served.as_ref());
        let others = || self.links.iter().filter(|link| Some(&link.name) != lan);
        others().find(|link| link.gateway.is_some() || !link.wifi.is_empty()).or_else(|| others().next())
    }

    fn find_lan(&mut self, ledger: &mut Ledger) {
        if let Some(link) = self.lan_link().cloned() {
            self.served = Some(link.name.clone());
            self.lan = link.addresses.first().copied();
        }
        let first = self.pool.map(|pool| pool.0).or_else(|| self.hosts.iter().find_map(|host| host.address));
        if let (None, Some(first)) = (self.lan, first) {
            let [a, b, c, _] = first.octets();
            self.lan = Ipv4Net::new(Ipv4Addr::new(a, b, c, 1), self.pool_prefix.unwrap_or(24));
            let advice = "no file says which address the gateway has on the LAN: the first of its pool's or hosts' network was \
                          taken; correct [lan] address";
            ledger.remark("[lan] address", advice);
        }
    }

    fn find_uplink(&mut self, ledger: &mut Ledger) {
        let others = || self.links.iter().filter(|link| Some(&link.name) != self.served.as_ref());
        self.uplink = self.uplink_link().cloned();
        for link in others().filter(|link| self.uplink.as_ref().is_none_or(|uplink| uplink.name != link.name)) {
            ledger.remark(&link.name, "there is one LAN and one uplink; this interface is left as it is");
        }
        if let Some(uplink) = &self.uplink
            && uplink.addresses.len() > 1
        {
            ledger.remark(&uplink.name, "one address is taken, the first; the others are left out");
        }
    }

    /// The host that has the gateway's own address is the gateway.
    fn take_own_name(&mut self) {
        let Some(own) = self.lan.map(|lan| lan.address()) else { return };
        if let Some(at) = self.hosts.iter().position(|host| host.address == Some(own)) {
            self.hostname = self.hosts.remove(at).name.or(self.hostname.take());
        }
        self.hosts.retain(|host| host.address != Some(own));
    }

    fn keep_gateway_out_of_pool(&mut self, ledger: &mut Ledger) {
        let (Some((first, last)), Some(own)) = (self.pool, self.lan.map(|lan| lan.address())) else { return };
        if !(first..=last).contains(&own) {
            return;
        }
        let below = u32::from(own) - u32::from(first);
        let above = u32::from(last) - u32::from(own);
        let pool = if above >= below {
            (Ipv4Addr::from(u32::from(own).saturating_add(1)), last)
        } else {
            (first, Ipv4Addr::from(u32::from(own).saturating_sub(1)))
        };
        self.pool = Some(pool);
        let advice = format!(
            "the gateway's own address {own} lay in the pool; the pool is now {}-{}, nothing to do",
            pool.0, pool.1
        );
        ledger.remark("[dhcp] pool", &advice);
    }

    fn give_every_host_a_name(&mut self, ledger: &mut Ledger) {
        for (host, number) in self.hosts.iter_mut().zip(1..) {
            if host.name.is_none() {
                let name = format!("host{number}");
                ledger.remark(&name, "this machine had no name; give it a better one");
                host.name = Some(name);
            }
        }
    }
}
