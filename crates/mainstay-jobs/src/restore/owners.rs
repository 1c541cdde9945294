//! Users and groups of a snapshot as numbers of this machine.
//!
//! Owns the translation by name; asks the system's tables once.

use std::collections::HashMap;

use mainstay_repo::{Node, Owners};
use mainstay_sources::files::{Owners as LocalOwners, Ownership};

/// Users and groups by name: a number of the source may belong to somebody else here.
pub struct OwnerNumbers {
    local: Option<LocalOwners>,
    users: HashMap<u32, u32>,
    groups: HashMap<u32, u32>,
}

impl OwnerNumbers {
    pub fn new(ownership: Ownership) -> Self {
        let local = (ownership != Ownership::Skip).then(LocalOwners::load);
        Self { local, users: HashMap::new(), groups: HashMap::new() }
    }

    pub fn learn(&mut self, owners: &Owners) {
        let Some(local) = &self.local else { return };
        for (number, name) in &owners.users {
            self.users.entry(*number).or_insert_with(|| local.user_number(name).unwrap_or(*number));
        }
        for (number, name) in &owners.groups {
            self.groups.entry(*number).or_insert_with(|| local.group_number(name).unwrap_or(*number));
        }
    }

    pub fn apply(&self, node: &mut Node) {
        node.user = self.users.get(&node.user).copied().unwrap_or(node.user);
        node.group = self.groups.get(&node.group).copied().unwrap_or(node.group);
    }
}
