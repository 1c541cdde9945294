//! Tests of questions at once.

use super::*;
use crate::store::MemoryStore;

struct Many(MemoryStore);

impl crate::store::Layer for Many {
    fn beneath(&self) -> &dyn Store {
        &self.0
    }

    fn publishes_at_once(&self) -> usize {
        3
    }
}

#[test]
fn answers_come_in_the_order_of_the_questions() {
    let things: Vec<u32> = (0..1000).collect();
    let squares: Vec<u32> = things.iter().map(|thing| thing * thing).collect();
    let near = each(&MemoryStore::default(), &things, |thing| thing * thing);
    let far = each(&crate::store::Layered(Many(MemoryStore::default())), &things, |thing| thing * thing);
    assert!(near == squares && far == squares);
    assert!(each(&MemoryStore::default(), &[] as &[u32], |thing| *thing).is_empty());
}
