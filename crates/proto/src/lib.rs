//! Generated twins of the `.proto` files and the conversions between them and the model.
//!
//! The code under `gen/` is made by `cargo xtask codegen` and committed. This crate knows shapes, not rules: a
//! conversion refuses what the model's types cannot hold (a malformed id, an unknown enum value, a missing part) and
//! nothing else; whether a command is legal is for the state machine to say. No I/O, no clock, no panic on any bytes.
//!
//! Start with `convert` for objects and commands and with [`decode_entry`] for log entries. The wire forms are documented where they are defined, in `proto/`; each file begins with the promise it makes.

pub mod convert;
mod entry;
mod error;
pub mod limits;
mod record;

pub use entry::{EntryError, FORMAT, decode_entry, encode_entry};
pub use error::{Malformed, Problem};
pub use record::{RecordError, RecordReader, write_record};

macro_rules! generated {
    ($(#[$doc:meta])* $package:ident, $file:literal) => {
        $(#[$doc])*
        pub mod $package {
            /// Version 1.
            #[allow(missing_docs, clippy::all, rustdoc::all, reason = "generated; the comments in proto/ are the documentation")]
            pub mod v1 {
                include!(concat!("gen/", $file));
            }
        }
    };
}

generated!(
    /// What operators and tools ask (`proto/tidegate/admin/v1`).
    admin, "tidegate.admin.v1.rs"
);
generated!(
    /// What devices ask (`proto/tidegate/device/v1`).
    device, "tidegate.device.v1.rs"
);
generated!(
    /// What leaves the cluster for those who decide by themselves (`proto/tidegate/edge/v1`).
    edge, "tidegate.edge.v1.rs"
);
generated!(
    /// What the nodes of one cluster say to one another (`proto/tidegate/peer/v1`).
    peer, "tidegate.peer.v1.rs"
);
generated!(
    /// What is written to disk (`proto/tidegate/storage/v1`).
    storage, "tidegate.storage.v1.rs"
);
generated!(
    /// The objects and commands that the other packages share (`proto/tidegate/types/v1`).
    types, "tidegate.types.v1.rs"
);

/// The descriptors of all packages, encoded, for the reflection service.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/descriptors.bin");
