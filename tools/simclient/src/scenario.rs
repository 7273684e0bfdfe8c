//! What members can be asked to do. One file per scenario.

pub(crate) mod pairs;
