//! What the allocator of a node does with memory that is free again.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Milliseconds after which the allocator gives free memory back to the system; below zero, never.
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";

/// Lets the allocator keep the memory that it has had. What it gives back after a second of rest it soon needs again, in
/// pieces that the system clears one by one and no longer maps as huge pages: some 5 % of what a write costs.
///
/// The allocator reads its settings from the environment before anything of ours runs, so the process begins its program
/// anew, with the same id, arguments and open files. Whoever sets the variable is heard instead. If the program can't be
/// begun anew (it was replaced while it started, say), this one goes on as it is.
pub fn keep() {
    if env::var_os(PURGE_DELAY).is_some() {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    let mut arguments = env::args_os();
    let mut anew = Command::new(program);
    if let Some(name) = arguments.next() {
        anew.arg0(name);
    }
    // Returns only if nothing has become of it.
    let _ = anew.args(arguments).env(PURGE_DELAY, "-1").exec();
}
