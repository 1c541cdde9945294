//! The settings that are exhausted: small ones at every run, larger ones when asked for.
//!
//! Owns who takes part in each. Sets are bit sets: of blocks, of snapshots (0 old, 1 and 2 of the writers), of sessions (0
//! and 1 writers, 2 undelete, 3 and 4 collectors, 5 syncer).

use crate::copied::Copied;
use crate::rules::Rules;

const WRITERS_FENCED: u8 = 0b00_0011;
const UNDELETE_FENCED: u8 = 0b00_0100;
const FIRST_COLLECTOR_FENCED: u8 = 0b00_1000;
const SECOND_COLLECTOR_FENCED: u8 = 0b01_0000;

pub const TWO_WRITERS: Rules = Rules {
    writers: [1, 1],
    collectors: 1,
    old_packs: [1, 0],
    old_snapshot: 1,
    forgets: 1,
    fenceable: WRITERS_FENCED,
    ..Rules::named("2 writers, 1 collector")
};

pub const TWO_COLLECTORS: Rules = Rules {
    writers: [1, 0],
    collectors: 2,
    old_packs: [1, 0],
    old_snapshot: 1,
    begins_forgotten: true,
    fenceable: 1 | FIRST_COLLECTOR_FENCED,
    ..Rules::named("1 writer, 2 collectors")
};

pub const SECOND_COPIES: Rules = Rules {
    collectors: 2,
    old_packs: [1, 1],
    old_snapshot: 1,
    fenceable: FIRST_COLLECTOR_FENCED | SECOND_COLLECTOR_FENCED,
    drops_copies: true,
    moves: true,
    ..Rules::named("2 collectors, second copies")
};

pub const UNDELETE: Rules = Rules {
    writers: [1, 0],
    collectors: 1,
    undeletes: 1,
    old_packs: [1, 0],
    old_snapshot: 1,
    begins_forgotten: true,
    forgets: 1,
    fenceable: 1 | UNDELETE_FENCED,
    ..Rules::named("writer, collector, undelete")
};

pub const SYNC: Rules = Rules {
    writers: [1, 0],
    collectors: 1,
    syncer: true,
    old_packs: [1, 2],
    old_snapshot: 1,
    forgets: 1,
    forgettable: 0b011,
    fenceable: 1,
    moves: true,
    ..Rules::named("writer, collector, syncer")
};

pub const RECEIVE: Rules = Rules {
    writers: [1, 1],
    receivers: 0b10,
    collectors: 1,
    old_packs: [1, 0],
    old_snapshot: 1,
    forgets: 1,
    fenceable: WRITERS_FENCED,
    ..Rules::named("writer, sync that brings, collector")
};

pub const RECEIVE_BESIDE_TWO: Rules = Rules {
    writers: [0, 1],
    collectors: 2,
    begins_forgotten: true,
    forgets: 0,
    fenceable: 0b10 | FIRST_COLLECTOR_FENCED,
    name: "sync that brings, 2 collectors",
    ..RECEIVE
};

pub const DATA_KEYS: Rules = Rules {
    writers: [1, 1],
    collectors: 1,
    forgets: 2,
    forgettable: 0b110,
    fenceable: WRITERS_FENCED,
    data_keys: true,
    ..Rules::named("2 writers, 1 collector, data keys")
};

pub const DATA_KEYS_BESIDE_TWO: Rules = Rules {
    collectors: 2,
    forgets: 1,
    forgettable: 0b010,
    fenceable: 1 | FIRST_COLLECTOR_FENCED,
    name: "2 writers, 2 collectors, data keys",
    ..DATA_KEYS
};

pub const TWO_AND_TWO: Rules =
    Rules { writers: [1, 1], collectors: 2, old_packs: [1, 0], ..Rules::named("2 writers, 2 collectors") };

pub const UNDELETE_TWICE: Rules = Rules {
    collectors: 2,
    undeletes: 2,
    old_packs: [1, 0],
    old_snapshot: 1,
    begins_forgotten: true,
    forgets: 1,
    fenceable: UNDELETE_FENCED | FIRST_COLLECTOR_FENCED,
    ..Rules::named("2 collectors, undelete twice")
};

pub const MIXED_PACKS: Rules = Rules {
    writers: [1, 0],
    collectors: 2,
    old_packs: [0b11, 1],
    old_snapshot: 0b10,
    fenceable: 1 | FIRST_COLLECTOR_FENCED,
    drops_copies: true,
    moves: true,
    ..Rules::named("1 writer, 2 collectors, packs of living and dead blocks")
};

pub const TWO_AND_TWO_FENCED: Rules = Rules {
    old_snapshot: 1,
    begins_forgotten: true,
    fenceable: 1 | FIRST_COLLECTOR_FENCED,
    name: "2 writers, 2 collectors, some of them fenced",
    ..TWO_AND_TWO
};

pub const EVERYBODY: Rules = Rules {
    writers: [1, 0],
    collectors: 2,
    undeletes: 1,
    old_packs: [1, 0],
    old_snapshot: 1,
    begins_forgotten: true,
    fenceable: 1 | UNDELETE_FENCED | FIRST_COLLECTOR_FENCED,
    ..Rules::named("writer, 2 collectors, undelete, some of them fenced")
};

pub const SYNC_BESIDE_TWO: Rules = Rules {
    writers: [1, 0],
    collectors: 2,
    syncer: true,
    old_packs: [1, 0],
    old_snapshot: 1,
    forgets: 1,
    moves: true,
    ..Rules::named("writer, 2 collectors, syncer")
};

/// Files were copied while a backup was at work; its snapshot came later and is void, and somebody undeletes it. One collector holds what is void.
pub const ACQUIT: Rules = Rules {
    writers: [1, 0],
    copied: Some(Copied { blocks: 1, is_void: true }),
    holding: 0b10,
    collectors: 2,
    undeletes: 1,
    forgets: 1,
    forgettable: 0b010,
    fenceable: UNDELETE_FENCED | FIRST_COLLECTOR_FENCED,
    ..Rules::named("2 collectors, undelete of what is void")
};

/// The same with a sync that brings the snapshot, and nobody had fenced its session before.
pub const ACQUIT_BY_SYNC: Rules = Rules {
    writers: [1, 1],
    copied: Some(Copied { blocks: 1, is_void: false }),
    receivers: 0b10,
    collectors: 1,
    undeletes: 0,
    fenceable: WRITERS_FENCED,
    name: "sync that brings what may be void, collector",
    ..ACQUIT
};

pub const ACQUIT_BY_SYNC_BESIDE_TWO: Rules = Rules {
    collectors: 2,
    forgets: 0,
    fenceable: WRITERS_FENCED | FIRST_COLLECTOR_FENCED,
    name: "sync that brings what may be void, 2 collectors",
    ..ACQUIT_BY_SYNC
};

pub const SHORT: [Rules; 13] = [
    TWO_WRITERS,
    TWO_COLLECTORS,
    SECOND_COPIES,
    UNDELETE,
    UNDELETE_TWICE,
    SYNC,
    RECEIVE,
    RECEIVE_BESIDE_TWO,
    TWO_AND_TWO,
    MIXED_PACKS,
    DATA_KEYS,
    ACQUIT,
    ACQUIT_BY_SYNC,
];

pub const LONG: [Rules; 5] =
    [TWO_AND_TWO_FENCED, EVERYBODY, SYNC_BESIDE_TWO, DATA_KEYS_BESIDE_TWO, ACQUIT_BY_SYNC_BESIDE_TWO];
