//! The one place that changes entries: it keeps the indices beside them true.

use super::super::client::Hardware;
use super::{Entry, LeaseTable};
use crate::dhcp_server::lease::{Expiry, Lease, LeaseState};
use crate::net::Ipv4Addr;
use crate::time::{Duration, Instant};
use alloc::string::String;

impl LeaseTable {
    pub(super) fn first_due(&self, state: LeaseState) -> Option<(Instant, Ipv4Addr)> {
        let start = (state, Instant::default(), Ipv4Addr::UNSPECIFIED);
        let (found, due, address) = self.queue.range(start..).next()?;
        (*found == state).then_some((*due, *address))
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        let address = entry.lease.address;
        self.free.take(address);
        if !self.reserved.contains_key(&address) {
            self.dynamic += 1;
            self.count(entry.lease.hardware, true);
        }
        self.declined += usize::from(entry.lease.state == LeaseState::Declined);
        if entry.lease.state != LeaseState::Waiting {
            self.queue.insert((entry.lease.state, entry.due, address));
        }
        self.entries.insert(address, entry);
    }

    /// Forgets the address; one of the pool is free then, a reserved one must be put back.
    pub(super) fn remove(&mut self, address: Ipv4Addr) -> Option<Entry> {
        self.set_name(address, None);
        self.unlink(address)
    }

    /// Takes the entry out and leaves its name where it is.
    pub(super) fn unlink(&mut self, address: Ipv4Addr) -> Option<Entry> {
        let entry = self.entries.remove(&address)?;
        self.queue.remove(&(entry.lease.state, entry.due, address));
        self.declined -= usize::from(entry.lease.state == LeaseState::Declined);
        if !self.reserved.contains_key(&address) {
            self.dynamic -= 1;
            self.count(entry.lease.hardware, false);
            self.free.put(address);
            if let Some(key) = entry.key.filter(|key| self.by_client.get(key) == Some(&address)) {
                self.by_client.remove(&key);
            }
        }
        Some(entry)
    }

    /// Notes that the address's client has this hardware.
    pub(super) fn set_hardware(&mut self, address: Ipv4Addr, hardware: Hardware) {
        let Some(entry) = self.entries.get_mut(&address) else { return };
        let old = entry.lease.hardware.replace(hardware);
        if old != Some(hardware) && !self.reserved.contains_key(&address) {
            self.count(old, false);
            self.count(Some(hardware), true);
        }
    }

    /// One address of the pool more, or less, for a station.
    fn count(&mut self, hardware: Option<Hardware>, more: bool) {
        let Some(mac) = hardware.and_then(|hardware| hardware.mac()) else { return };
        let count = self.by_hardware.entry(mac).or_default();
        *count = if more { count.saturating_add(1) } else { count.saturating_sub(1) };
        if *count == 0 {
            self.by_hardware.remove(&mac);
        }
    }

    pub(super) fn set_state(&mut self, address: Ipv4Addr, state: LeaseState, due: Instant) {
        let Some(entry) = self.entries.get_mut(&address) else { return };
        self.queue.remove(&(entry.lease.state, entry.due, address));
        self.declined -= usize::from(entry.lease.state == LeaseState::Declined);
        (entry.lease.state, entry.due) = (state, due);
        self.declined += usize::from(state == LeaseState::Declined);
        self.queue.insert((state, due, address));
    }

    /// Gives the lease this name, away from whoever has it.
    pub(super) fn set_name(&mut self, address: Ipv4Addr, name: Option<String>) {
        let old = self.entries.get(&address).and_then(|entry| entry.lease.host_name.clone());
        if old == name {
            return;
        }
        self.names_changed = true;
        if let Some(old) = old {
            self.by_name.remove(&old);
        }
        if let Some(name) = &name
            && let Some(other) = self.by_name.insert(name.clone(), address)
            && let Some(entry) = self.entries.get_mut(&other)
        {
            entry.lease.host_name = None;
        }
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.lease.host_name = name;
        }
    }

    /// Puts the reserved address back to where nobody has asked for it; does nothing for another address.
    pub(super) fn await_host(&mut self, address: Ipv4Addr) {
        let Some(host) = self.reserved.get(&address).and_then(|host| self.hosts.get(*host)) else { return };
        let name = host.name.clone();
        let hardware = host.macs.first().and_then(|mac| Hardware::new(1, &mac.0));
        let host_name = self.unlink(address).and_then(|entry| entry.lease.host_name);
        let lease = Lease {
            address,
            hardware,
            client_id: None,
            host_name,
            expiry: Expiry::Reserved,
            state: LeaseState::Waiting,
        };
        let due = Instant::default();
        let (granted, grace) = (Duration::ZERO, Duration::ZERO);
        self.insert(Entry { lease, key: None, due, granted, grace, disk: None });
        self.set_name(address, Some(name));
    }
}

#[cfg(test)]
impl LeaseTable {
    /// For tests: the indices hold exactly what the entries say.
    pub(in crate::dhcp_server) fn check(&self) {
        use alloc::collections::{BTreeMap, BTreeSet};
        let (mut names, mut clients, mut queue) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let (mut declined, mut dynamic, mut hardware) = (0, 0, BTreeMap::new());
        for (address, entry) in &self.entries {
            let lease = &entry.lease;
            assert!(*address == lease.address && !self.free.contains(*address));
            if let Some(name) = &lease.host_name {
                assert!(lease.is_live() && names.insert(name.clone(), *address).is_none(), "{lease:?}");
            }
            if !self.reserved.contains_key(address) {
                dynamic += 1;
                lease.mac().into_iter().for_each(|mac| *hardware.entry(mac).or_insert(0u16) += 1);
                let double = entry.key.and_then(|key| clients.insert(key, *address));
                assert_eq!(double, None, "two addresses for one client");
            }
            declined += usize::from(lease.state == LeaseState::Declined);
            if lease.state != LeaseState::Waiting {
                queue.insert((lease.state, entry.due, *address));
            }
        }
        assert_eq!((&self.by_name, &self.by_client, &self.queue), (&names, &clients, &queue));
        assert_eq!((self.declined, self.dynamic), (declined, dynamic));
        assert_eq!(self.by_hardware, hardware);
        assert!(dynamic <= super::MAX_DYNAMIC);
    }
}
