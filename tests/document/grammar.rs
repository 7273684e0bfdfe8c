//! The document's ABNF (RFC 5234), read and matched.
