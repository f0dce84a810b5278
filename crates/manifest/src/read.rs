//! The tools that manifests are read with, for other formats that are written in the same way (rollout tests): a map is
//! read field by field, every error bears its place, and what nobody asked for is refused.

pub use crate::decode::context::{Context, Errors};
pub use crate::decode::fields::{Fields, Read, suggestion};
pub use crate::decode::kinds::field_names;
pub use crate::decode::values;
