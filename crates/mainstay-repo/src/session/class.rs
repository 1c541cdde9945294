//! Which block a chunk is gathered into: by what it is, and by the thread that stores it.
//!
//! Owns the classes and the lanes. Gathers nothing.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::compress::Effort;
use crate::format::block::BlockKind;
use crate::format::limits;

/// Which block a chunk is gathered into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    SmallFiles,
    LargeFiles,
    DatabasePages,
    Tree,
}

impl Class {
    pub fn kind(self) -> BlockKind {
        match self {
            Self::SmallFiles | Self::LargeFiles | Self::DatabasePages => BlockKind::Content,
            Self::Tree => BlockKind::Tree,
        }
    }

    pub fn target(self) -> usize {
        match self {
            Self::SmallFiles | Self::LargeFiles | Self::DatabasePages => limits::BLOCK_TARGET,
            Self::Tree => limits::TREE_BLOCK_TARGET,
        }
    }

    pub fn effort(self) -> Effort {
        match self {
            Self::SmallFiles | Self::Tree => Effort::Thorough,
            Self::LargeFiles => Effort::Fast,
            Self::DatabasePages => Effort::Pages,
        }
    }

    /// Where the content of a file belongs that is worth so much effort.
    pub fn of(effort: Effort) -> Self {
        match effort {
            Effort::Thorough => Self::SmallFiles,
            Effort::Fast => Self::LargeFiles,
            Effort::Pages => Self::DatabasePages,
        }
    }
}

/// Open blocks of one class: threads gather into their own, so that files of one directory, which one thread reads, lie
/// together and compress better.
pub const LANES: usize = 8;

/// The lane of this thread: threads take turns, and two that share one only share a block.
pub fn lane() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static LANE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % LANES;
    }
    LANE.with(|lane| *lane)
}
