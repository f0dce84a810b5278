//! Placeholder.

/// What the nodes of one cluster say to one another (`proto/tidegate/peer/v1/peer.proto`).
pub mod peer {
    /// Version 1.
    #[allow(missing_docs, clippy::all, reason = "generated from the .proto, whose comments are the documentation")]
    pub mod v1 {
        include!("gen/tidegate.peer.v1.rs");
    }
}
