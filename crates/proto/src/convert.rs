//! Conversions between the model and `tidegate.types.v1`, one module per `.proto` file.
//!
//! To the wire is `From`, and writes every field. From the wire is `TryFrom`, and refuses what the model's types cannot
//! hold, naming the part. Sets may come in any order and with repetitions. Defaults are those that the `.proto` files
//! state, which are those of manifests.

mod command;
mod device;
mod fields;
mod hold;
mod object;
mod policy;
mod product;
mod release;
mod rollout;
mod selector;
mod steer;

pub use command::role;
pub(crate) use fields::{array, inner, must, text};
pub use object::object_kind;
