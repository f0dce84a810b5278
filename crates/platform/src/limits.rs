//! Every bound of this crate, with what happens at it.

use std::time::Duration;

/// Longest TLS handshake, either side. Then the connection is closed.
pub const TLS_HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// TLS handshakes that one listener has under way. Beyond it new connections wait in the system's queue.
pub const TLS_HANDSHAKES_PENDING_MAX: usize = 1_024;

/// Shortest time between two looks at the certificate files. Changes are seen that much later at most.
pub const TLS_RELOAD_INTERVAL: Duration = Duration::from_secs(1);

/// Largest certificate or key file. A larger one is refused.
pub const TLS_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Pause after a failed accept, so that running out of descriptors does not spin.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Connections of a listener for many that stay with the runtime of the process. Those beyond it, while as many are open, get lanes.
pub const CONNECTIONS_BEFORE_LANES: usize = 8;

/// Longest time between two readings of the boot clock for a reading of the wall clock in between to count as of the same
/// moment. After a longer one both are read again.
pub const BOTH_CLOCKS_MAX: Duration = Duration::from_millis(5);

/// Times that both clocks are read for it. After the last one they are taken as they are.
pub const BOTH_CLOCKS_TRIES: usize = 16;
