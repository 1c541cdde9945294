//! Giving up snapshots that are gone without having been pruned.
//!
//! Owns which snapshots may be named: those that the history leads to and lacks, those that this machine has seen, and those that
//! cannot be read. One that is there and can be read is forgotten instead.

use mainstay_repo::SnapshotPlace;

use crate::context::Opened;
use crate::failure::{Failure, Result, catalogue};
use crate::memory;

/// Records each snapshot that is named as removed.
pub fn accept_loss(opened: &Opened, named: &[String]) -> Result<()> {
    for text in named {
        let missing = missing(opened)?;
        let fitting: Vec<&SnapshotPlace> =
            missing.iter().filter(|place| text.len() >= 4 && place.id.to_string().starts_with(text.as_str())).collect();
        match fitting.as_slice() {
            [place] => opened.repository.accept_loss(**place)?,
            others => {
                let message =
                    format!("accept the loss of {text:?}: {} missing snapshots have ids that begin so", others.len());
                let hint = "`mainstay repo history` shows those that are missing; one that is there is forgotten by `mainstay forget`";
                return Err(Failure::new(&catalogue::NO_SNAPSHOT, message).with_hint(hint));
            }
        }
    }
    Ok(())
}

/// The snapshots that should be there and are not, or cannot be read.
pub fn missing(opened: &Opened) -> Result<Vec<SnapshotPlace>> {
    let repository = &opened.repository;
    let (listing, rewinds) = memory::look_at(repository)?;
    let mut missing: Vec<SnapshotPlace> = rewinds.0.iter().map(|rewind| rewind.seen).collect();
    let breaks = repository.chain(&listing.entries, listing.beside(), &repository.removed()?).breaks();
    // What it was numbered is not known; it stood before the one that names it.
    missing.extend(breaks.into_iter().map(|gap| SnapshotPlace {
        source: gap.after.source,
        sequence: gap.after.sequence.saturating_sub(1).max(1),
        id: gap.missing,
    }));
    // One that is there and cannot be read is as good as gone.
    missing.extend(listing.lost.iter().filter_map(|lost| lost.place));
    missing.sort_by_key(|place| place.id);
    missing.dedup_by_key(|place| place.id);
    Ok(missing)
}
