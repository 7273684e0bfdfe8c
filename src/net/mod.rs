//! Links: bytes in, bytes out, and nothing of what they mean.
//!
//! A [`Link`] is a [`Socket`] under a [`Layer`]. It keeps no buffer while it is idle: all links read into one buffer and seal
//! into another, and only the part of a TLS record that has not come whole, and ciphertext that
//! the socket did not take, stay with the link. `os.rs` is the only file that knows mio.

mod descriptors;
mod layer;
mod link;
mod os;
mod sealed;

pub use descriptors::{descriptor_limit, inherited_descriptors, is_out_of_descriptors, raise_descriptor_limit};
pub use layer::{Layer, LayerError, TlsConfig};
pub use link::{Link, Received, Socket};
pub use os::{Accepted, Bell, Bound, LocalBound, LocalSocket, PeerSocket, Poller, Ready, WebBound};
pub use sealed::Sealed;
