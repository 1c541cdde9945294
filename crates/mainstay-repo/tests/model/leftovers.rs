//! What a prune must not do with data keys, though it looks harmless: only flawed models come here.
//!
//! Owns the deletion of data keys under which no listed pack holds a block, while nobody is at work. A pack that another one
//! rescued counts as sealed anew, which is kinder than the truth.

use crate::collector::At;
use crate::fences::open_sessions;
use crate::rules::{Flaw, Rules};
use crate::world::{Set, UNDELETER, World, own_pack};

pub fn first_step(rules: &Rules) -> At {
    if rules.has(Flaw::DataKeysGo) { At::ListKeys } else { At::PutEnd }
}

pub fn step(rules: &Rules, world: &mut World, collector: usize) -> At {
    match world.collectors[collector].at {
        At::ListKeys => {
            world.collectors[collector].listing = world.keys;
            At::KeysListLeases
        }
        At::KeysListLeases if open_sessions(rules, world, collector) == 0 => At::KeysListPacks,
        At::KeysListPacks => {
            let in_use = (0..UNDELETER).filter(|writer| world.there >> own_pack(*writer) & 1 == 1);
            let in_use = in_use.fold(0, |keys: Set, writer| keys | 1 << writer);
            world.collectors[collector].listing &= !in_use;
            At::DeleteKeys
        }
        At::DeleteKeys => {
            world.keys &= !world.collectors[collector].listing;
            At::PutEnd
        }
        _ => At::PutEnd,
    }
}
