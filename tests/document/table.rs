//! The document's tables.
