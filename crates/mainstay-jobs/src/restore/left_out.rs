//! What a restore leaves out of what it writes because it was not asked for.
//!
//! Owns the counts, which belong to the plan: they are told before anything is written. Decides nothing.

use mainstay_repo::{Node, NodeKind};
use mainstay_sources::files::Preserve;

use super::plan::Action;

/// Mode bits that let a program run with the rights of its owner or group.
const SET_ID: u32 = 0o6000;

/// Entries that come back without something that they had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Files without their set-uid or set-gid bit.
    pub set_id: u64,
    /// Entries without `security.*` or `trusted.*` attributes.
    pub security: u64,
}

impl LeftOut {
    /// Counts an entry whose metadata is written.
    pub fn count(&mut self, node: &Node, action: Action, preserve: &Preserve) {
        let is_written = matches!(action, Action::Create | Action::Replace | Action::Update | Action::SetMetadata);
        if !is_written {
            return;
        }
        let has_set_id = node.kind == NodeKind::File && node.mode & SET_ID != 0;
        self.set_id += u64::from(has_set_id && !preserve.set_id);
        let is_security = |name: &[u8]| !preserve.wants_attribute(name);
        self.security += u64::from(node.attributes.iter().any(|(name, _)| is_security(name)));
    }
}
