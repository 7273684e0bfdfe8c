//! Which node is on which link.

use crate::base::{LinkId, NodeNo};

/// Links by node number.
#[derive(Debug, Default)]
pub(super) struct Online {
    links: Vec<Option<LinkId>>,
    count: usize,
}

impl Online {
    pub(super) fn link(&self, node: NodeNo) -> Option<LinkId> {
        self.links.get(node.0 as usize).copied().flatten()
    }

    pub(super) fn enter(&mut self, node: NodeNo, link: LinkId) {
        let at = node.0 as usize;
        if self.links.len() <= at {
            self.links.resize(at + 1, None);
        }
        self.count += usize::from(self.links[at].replace(link).is_none());
    }

    pub(super) fn leave(&mut self, node: NodeNo) {
        self.count -= usize::from(self.links[node.0 as usize].take().is_some());
    }

    /// How many nodes are on some link.
    pub(super) fn count(&self) -> usize {
        self.count
    }
}
