//! Every bound of this crate, with what happens at it.

use std::time::Duration;

/// Longest configuration file. A longer one is a configuration error.
pub const CONFIG_BYTES_MAX: usize = 1024 * 1024;
/// Deepest nesting of tables in a configuration file. Deeper ones are a configuration error.
pub const CONFIG_DEPTH_MAX: usize = 8;
/// Most items of a list in the configuration. More are a configuration error.
pub const CONFIG_LIST_MAX: usize = 64;
/// Longest length of time in the configuration. A longer one is a configuration error.
pub const CONFIG_DURATION_MAX: Duration = Duration::from_secs(86_400);
