//! Names and numbers of users and groups, as an archive tells them.
//!
//! Owns both directions: names for the snapshot, numbers for access lists that have names only.

use std::collections::HashMap;

use mainstay_sources::files::Owners as MachineOwners;

use crate::backup::OwnerNames;
use crate::import::{Member, Numbers};

pub struct Owners<'a> {
    users: Known,
    groups: Known,
    machine: &'a MachineOwners,
}

#[derive(Default)]
struct Known {
    names: HashMap<u32, String>,
    numbers: HashMap<String, u32>,
}

impl Known {
    fn add(&mut self, number: u32, name: Option<&String>) {
        let Some(name) = name else { return };
        self.names.entry(number).or_insert_with(|| name.clone());
        if !self.numbers.contains_key(name) {
            self.numbers.insert(name.clone(), number);
        }
    }
}

impl<'a> Owners<'a> {
    /// Where the archive says nothing of a name in an access list, this machine's number counts, as where it is unpacked.
    pub fn new(machine: &'a MachineOwners) -> Self {
        Self { users: Known::default(), groups: Known::default(), machine }
    }

    pub fn add(&mut self, member: &Member) {
        self.users.add(member.entry.owner.user, member.user_name.as_ref());
        self.groups.add(member.entry.owner.group, member.group_name.as_ref());
    }
}

impl Numbers for Owners<'_> {
    fn user(&self, name: &str) -> Option<u32> {
        self.users.numbers.get(name).copied().or_else(|| self.machine.user_number(name))
    }

    fn group(&self, name: &str) -> Option<u32> {
        self.groups.numbers.get(name).copied().or_else(|| self.machine.group_number(name))
    }
}

impl OwnerNames for Owners<'_> {
    fn user(&self, number: u32) -> Option<String> {
        self.users.names.get(&number).cloned()
    }

    fn group(&self, number: u32) -> Option<String> {
        self.groups.names.get(&number).cloned()
    }
}
