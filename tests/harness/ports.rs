//! Ports for listeners that a test starts by address. Of the standard library only: tests of lower floors include this file.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Ports that tests listen at: above those of well-known services, below the 32768 from which connections take theirs.
const FIRST_PORT: u32 = 12_000;
const PORTS: u32 = 20_000;

/// A port of loopback that was free a moment ago. It lies below those that the system gives to outgoing connections, so that
/// none of them takes it before the listener does; processes begin at different places, and no process gives one twice.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_address() -> SocketAddr {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(61);
    for _ in 0..PORTS {
        let next = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % PORTS;
        let port = u16::try_from(FIRST_PORT + next).expect("the last one is below 2^16");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port of loopback is free from {FIRST_PORT} on");
}
