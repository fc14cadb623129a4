//! The gateway's part that looks after the kernel's network state.

use super::{Action, Client, Gateway, dns_settings, status};
use crate::config::Addressing;
use crate::dhcp_client;
use crate::dhcp_server;
use crate::entropy::Entropy;
use crate::plan::{self, Change, Snapshot, plan, reconcile};
use crate::time::{Duration, Instant, WallTime};
use alloc::string::String;
use alloc::vec::Vec;

/// First and longest wait before the kernel is asked again for what it refused. While the system starts, the packet
/// filter's modules may come a moment after us.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

impl Gateway {
    /// The kernel's state as it is now.
    pub fn handle_kernel(&mut self, snapshot: Snapshot, now: Instant, wall: WallTime, entropy: &mut dyn Entropy) {
        self.say_changes(&snapshot, now);
        self.snapshot = snapshot;
        self.follow_uplink(now, wall, entropy);
        self.follow_lan();
        // The client may have taken up an address that is in place; the plan must know.
        self.drive(now);
        self.replan(now);
        self.drive(now);
    }

    /// The steps were taken; `failures` is what went wrong, a sentence each.
    pub fn handle_applied(&mut self, failures: Vec<String>, now: Instant) {
        self.applying = false;
        if failures.is_empty() {
            self.retry = None;
        } else {
            let wait = self.retry.map_or(RETRY.0, |(_, wait)| (wait * 2).min(RETRY.1));
            self.retry = Some((now + wait, wait));
        }
        for failure in &failures {
            // Said when it begins, not with each new try.
            if !self.refused.contains(failure) {
                self.say(now, failure);
            }
        }
        self.refused = failures;
        self.actions.push_back(Action::LookAtKernel);
    }

    /// The LAN's sockets are open, or not (any more).
    pub fn handle_serving(&mut self, serving: bool, now: Instant) {
        if serving && !self.serving {
            let text = alloc::format!(
                "The LAN is served on {}: this is {}, address {}.",
                self.config.lan.interface,
                self.config.hostname,
                self.lan.address()
            );
            self.say(now, &text);
        }
        self.serving = serving;
        self.drive(now);
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
            self.update_names();
        }
        self.uplink = plan.uplink;
        let changes: Vec<Change> = reconcile(&self.snapshot.state, &plan.state);
        let waiting = self.retry.is_some_and(|(at, _)| now < at);
        if !changes.is_empty() && !waiting {
            self.applying = true;
            self.actions.push_back(Action::Apply(changes));
        }
    }

    /// The LAN's address as the kernel has it, left there perhaps by an earlier process.
    fn lan_in_use(&self) -> Option<crate::net::Ipv4Net> {
        let state = self.snapshot.state.links.get(&self.config.lan.interface);
        state.and_then(|state| state.addresses.first().copied())
    }

    /// Opens the LAN's sockets as soon as its interface is there.
    fn follow_lan(&mut self) {
        let Some(link) = self.link(&self.config.lan.interface) else {
            self.serving = false;
            return;
        };
        self.actions.push_back(Action::ServeLan { index: link.index, mac: link.mac, lan: self.lan });
    }

    /// Gives the uplink's device its DHCP client, and tells it about the cable.
    fn follow_uplink(&mut self, now: Instant, wall: WallTime, entropy: &mut dyn Entropy) {
        let wants_lease = self.config.uplink.addressing == Addressing::Dhcp;
        let link = self.link(&self.config.uplink.interface).filter(|_| wants_lease).cloned();
        let present = link.as_ref().map(|link| (link.index, link.mac));
        if self.client.as_ref().map(|client| (client.index, client.mac)) != present && self.client.take().is_some() {
            self.uplink_lease = None;
            self.update_upstreams();
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
