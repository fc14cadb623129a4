//! The gateway's part that looks after the kernel's network state.

use super::retry::Backoff;
use super::{Action, Client, Gateway, dns_settings, status};
use crate::config::{Addressing, Config};
use crate::dhcp_client;
use crate::dhcp_server;
use crate::entropy::Entropy;
use crate::net::Ipv4Net;
use crate::plan::{self, Change, Snapshot, plan, reconcile};
use crate::time::{Duration, Instant, WallTime};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// First and longest wait before the kernel is asked again for what it refused. While the system starts, the packet
/// filter's modules may come a moment after us.
pub(super) const RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));

/// What the kernel refuses for longer than this is said. Until then it stands in the status alone: a module that is being
/// loaded, or an interface that is just leaving, is nobody's trouble.
const UNSAID: Duration = Duration::from_secs(3);

/// Something that the kernel refuses.
pub(super) struct Refusal {
    /// A sentence.
    pub(super) text: String,
    since: Instant,
    said: bool,
}

/// The longest lease of the LAN while it may have to move: its clients notice at seven eighths of it. Each renewal may
/// cost a write to the card, so it is not the shortest there is.
pub(super) const PROVISIONAL_LEASE: Duration = Duration::from_secs(180);

impl Gateway {
    /// The kernel's state as it is now.
    pub fn handle_kernel(&mut self, mut snapshot: Snapshot, now: Instant, wall: WallTime, entropy: &mut dyn Entropy) {
        self.judge_carrier(&mut snapshot);
        self.say_changes(&snapshot, now);
        let had_carrier = self.uplink_carrier();
        self.snapshot = snapshot;
        if let Some(journal) = self.journal.take() {
            self.take_over_leases(&journal, now, wall);
        }
        if !had_carrier && self.uplink_carrier() {
            // Another network may be at the other end: what is known about the servers is forgotten.
            self.update_upstreams();
        }
        self.follow_radio(now);
        self.follow_uplink(now, wall, entropy);
        self.follow_lan();
        // The client may have taken up an address that is in place; the plan must know.
        self.drive(now);
        self.replan(now);
        self.drive(now);
    }

    /// The kernel's state could not be read; `why` is a sentence. It is read again after a while.
    pub fn handle_look_failed(&mut self, why: &str, now: Instant) {
        self.set_refused(alloc::vec![String::from(why)], now);
        self.attempts.unknown(now);
    }

    /// The steps were taken; `failures` is what went wrong, a sentence each.
    pub fn handle_applied(&mut self, failures: Vec<String>, now: Instant) {
        self.applying = false;
        self.set_refused(failures, now);
        self.actions.push_back(Action::LookAtKernel);
    }

    /// Said once, and not when it begins but when it lasts.
    fn set_refused(&mut self, failures: Vec<String>, now: Instant) {
        let mut before = core::mem::take(&mut self.refused);
        for text in failures {
            let known = before.iter().position(|refusal| refusal.text == text).map(|at| before.swap_remove(at));
            let mut refusal = known.unwrap_or(Refusal { text, since: now, said: false });
            if !refusal.said && now.since(refusal.since) >= UNSAID {
                refusal.said = true;
                self.say(now, &refusal.text);
            }
            self.refused.push(refusal);
        }
    }

    /// The LAN's sockets are open, or are not (any more) and why; then they are asked for again after a while.
    pub fn handle_serving(&mut self, outcome: Result<(), String>, now: Instant) {
        match outcome {
            Ok(()) => {
                (self.serve_trouble, self.serve_retry) = (None, RETRY);
                if !self.serving {
                    let text = alloc::format!(
                        "The LAN is served on {}: this is {}, address {}.",
                        self.config.lan.interface,
                        self.config.hostname,
                        self.lan.address()
                    );
                    self.say(now, &text);
                }
                self.serving = true;
            }
            Err(why) => {
                if self.serve_trouble.as_ref() != Some(&why) {
                    self.say(now, &why);
                }
                (self.serve_trouble, self.serving) = (Some(why), false);
                self.serve_retry.fail(now);
            }
        }
    }

    /// The journal is read with the network that the kernel still has: a LAN that had moved gave out other addresses.
    fn take_over_leases(&mut self, journal: &[u8], now: Instant, wall: WallTime) {
        let in_use = self.lan_in_use();
        if let Some(lan) = self.config.lan.alternative.filter(|alternative| in_use == Some(*alternative)) {
            self.lan = lan;
            self.server = dhcp_server::DhcpServer::new(dhcp_server::Settings::new(&self.config, lan), now);
            self.dns.set_settings(dns_settings(&self.config, lan));
            self.update_upstreams();
        }
        self.server.restore(journal, now, wall);
        let leases = self.server.leases().filter(|lease| lease.state == dhcp_server::LeaseState::Bound).count();
        self.log.push(now, &alloc::format!("{leases} leases were read from the card."));
        self.update_names(now);
    }

    /// The kernel parameters that the shell reads for a snapshot, with their wanted values.
    pub fn sysctls(&self) -> BTreeMap<String, String> {
        plan::sysctls(&self.config, self.memory_bytes)
    }

    /// Which parameters the shell reads for a snapshot, and which interfaces are managed.
    pub fn managed(&self) -> [&str; 2] {
        [&self.config.lan.interface, &self.config.uplink.interface]
    }

    /// Compares what is with what should be, and asks for the difference.
    pub(super) fn replan(&mut self, now: Instant) {
        if self.snapshot.links.is_empty() || self.applying {
            // Nothing is known yet, or another look will follow the change that is under way.
            return;
        }
        let lease = self.uplink_lease.as_ref().map(uplink_lease);
        let plan = plan(&plan::Inputs {
            config: &self.config,
            lease: lease.as_ref(),
            links: &self.snapshot.links,
            lan_in_use: self.lan_in_use(),
            memory_bytes: self.memory_bytes,
        });
        if plan.conflict != self.conflict {
            if let Some(conflict) = plan.conflict {
                self.say(now, &alloc::format!("{conflict}"));
            }
            self.conflict = plan.conflict;
        }
        if plan.lan != self.lan {
            self.say(now, &status::lan_moved(self.lan, plan.lan));
            self.lan = plan.lan;
            self.server.reconfigure(dhcp_server::Settings::new(&self.config, plan.lan), now);
            self.dns.set_settings(dns_settings(&self.config, plan.lan));
            self.serving = false;
            self.follow_lan();
            self.update_names(now);
            // One of them may have had our old address, or may have our new one.
            self.update_upstreams();
        }
        self.uplink = plan.uplink;
        self.server.cap_leases(self.may_move().then_some(PROVISIONAL_LEASE));
        self.follow_clock(now);
        let changes: Vec<Change> = reconcile(&self.snapshot.state, &plan.state);
        if changes.is_empty() {
            self.attempts.done();
            self.refused.clear();
        } else if self.attempts.admit(&changes, now) {
            self.applying = true;
            self.actions.push_back(Action::Apply(changes));
        } else if self.refused.is_empty() {
            let lost = changes.iter().map(|change| alloc::format!("The kernel was told to {change}, but did not."));
            self.set_refused(lost.collect(), now);
        }
    }

    /// Whether the LAN may have to move as soon as the uplink's network shows: nothing is known of it, or it overlaps.
    fn may_move(&self) -> bool {
        let unknown = self.config.uplink.addressing == Addressing::Dhcp && self.uplink.is_none();
        unknown && self.config.lan.alternative.is_some()
    }

    /// The LAN's address as the kernel has it, left there perhaps by an earlier process.
    fn lan_in_use(&self) -> Option<Ipv4Net> {
        let kernel = self.snapshot.state.links.get(&self.config.lan.interface);
        let addresses = kernel.into_iter().flat_map(|link| &link.addresses);
        // Both are there when a move was cut short.
        let moved = self.config.lan.alternative.filter(|moved| addresses.clone().any(|address| address == moved));
        moved.or_else(|| addresses.clone().next().copied()).or(Some(self.lan))
    }

    fn uplink_carrier(&self) -> bool {
        self.link(&self.config.uplink.interface).is_some_and(|link| link.carrier)
    }

    /// Opens the LAN's sockets as soon as its interface is there.
    pub(super) fn follow_lan(&mut self) {
        let Some(link) = self.link(&self.config.lan.interface) else {
            (self.serving, self.serve_trouble, self.serve_retry) = (false, None, RETRY);
            return;
        };
        let (index, mac, left_behind) = (link.index, link.mac, self.server.has_left_behind());
        self.hears_left_behind = left_behind;
        self.actions.push_back(Action::ServeLan { index, mac, lan: self.lan, left_behind });
    }

    /// Begins or ends to listen for clients that hold a lease of a network that was served before.
    pub(super) fn follow_left_behind(&mut self) {
        if self.serving && self.hears_left_behind != self.server.has_left_behind() {
            self.follow_lan();
        }
    }

    /// Gives the uplink's device its DHCP client, and tells it about the cable.
    fn follow_uplink(&mut self, now: Instant, wall: WallTime, entropy: &mut dyn Entropy) {
        let wants_lease = self.config.uplink.addressing == Addressing::Dhcp;
        let link = self.link(&self.config.uplink.interface).filter(|_| wants_lease).cloned();
        let present = link.as_ref().map(|link| (link.index, link.mac));
        if self.client.as_ref().map(|client| (client.index, client.mac)) != present && self.client.take().is_some() {
            self.uplink_lease = None;
            self.update_upstreams();
            self.dns.watch_for_portal(false, now);
            self.actions.push_back(Action::CloseUplink);
        }
        let Some(link) = link else { return };
        if self.client.is_none() {
            let identity = dhcp_client::Identity { mac: link.mac, hostname: self.config.hostname.clone() };
            let mut machine = dhcp_client::Client::new(identity, Some(&self.remembered), wall, now);
            // Addresses that an earlier gateway process left in place.
            for address in self.snapshot.state.links.get(&link.name).iter().flat_map(|state| &state.addresses) {
                machine.handle_configured(*address, now);
            }
            self.client = Some(Client { index: link.index, mac: link.mac, machine, probe: None });
            self.actions.push_back(Action::ListenUplink { index: link.index, mac: link.mac });
        }
        if let Some(client) = &mut self.client {
            client.machine.handle_link(link.carrier, now, entropy);
        }
    }

    /// Says which cables were plugged in or pulled.
    fn say_changes(&mut self, new: &Snapshot, now: Instant) {
        let lines: Vec<String> = [("LAN", &self.config.lan.interface), ("uplink", &self.config.uplink.interface)]
            .into_iter()
            .filter_map(|(role, name)| {
                let carrier = |snapshot: &Snapshot| snapshot.links.iter().find(|l| &l.name == name).map(|l| l.carrier);
                let text = match (carrier(&self.snapshot), carrier(new)) {
                    // The station says more about that than a cable could.
                    (_, Some(_)) if role == "uplink" && self.wifi.is_some() => return None,
                    (Some(true), Some(false)) => "its cable was pulled, or nothing is at its other end",
                    (Some(true | false), None) => "it was unplugged",
                    (Some(false) | None, Some(true)) => "it is connected",
                    _ => return None,
                };
                Some(alloc::format!("The {role} interface {name}: {text}."))
            })
            .collect();
        for line in lines {
            self.say(now, &line);
        }
    }
}

/// Where the LAN begins after a power cut. The uplink will most likely have the network again that it had: if that one
/// overlaps the LAN, the LAN had moved, and its leases are of the alternative. Waiting for the uplink to say so would
/// give the LAN its first address, drop those leases and move a few seconds later.
pub(super) fn lan_at_start(config: &Config, uplink_record: &[u8]) -> Ipv4Net {
    let lan = &config.lan;
    let uplink =
        dhcp_client::remembered_network(uplink_record).filter(|_| config.uplink.addressing == Addressing::Dhcp);
    let conflict = |uplink: &Ipv4Net| uplink.overlaps(lan.address);
    let free = |uplink: Ipv4Net| lan.alternative.filter(|alternative| !alternative.overlaps(uplink));
    uplink.filter(conflict).and_then(free).unwrap_or(lan.address)
}

/// The part of a lease that the plan needs.
fn uplink_lease(lease: &dhcp_client::Lease) -> plan::UplinkLease {
    let routes = lease.routes.iter();
    plan::UplinkLease {
        address: lease.address,
        router: lease.routers.first().copied(),
        classless_routes: routes
            .map(|route| (route.destination, route.gateway.unwrap_or(crate::net::Ipv4Addr::UNSPECIFIED)))
            .collect(),
        mtu: lease.mtu,
    }
}
