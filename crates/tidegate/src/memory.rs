//! What the allocator of a node does with memory that is free again, and what it has before it needs it.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{env, fs, thread};

/// Milliseconds after which the allocator gives free memory back to the system; below zero, never.
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";
/// Its value for never.
const NEVER: &str = "-1";

/// Most memory that a node takes ahead, in bytes: what some 200,000 writes need.
const AHEAD_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The part of the memory that there is: one in so many bytes.
const AHEAD_SHARE: u64 = 32;
/// How much at a time, in bytes, and the pause after it: a tenth of a processor at worst.
const AHEAD_STEP_BYTES: usize = 1024 * 1024;
const AHEAD_PAUSE: Duration = Duration::from_millis(20);

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
    let _ = anew.args(arguments).env(PURGE_DELAY, NEVER).exec();
}

/// Has the allocator take memory from the system before it is needed, a little at a time and beside everything else. What a
/// write needs anew is otherwise cleared by the system while clients wait, and on a virtual machine fetched from its host
/// first, which takes ten times as long.
///
/// Not where memory is given back again, and not in development builds, which tests start by the hundred.
pub fn take_ahead() {
    if cfg!(debug_assertions) || env::var(PURGE_DELAY).as_deref() != Ok(NEVER) {
        return;
    }
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let group = fs::read_to_string("/proc/self/cgroup").ok().and_then(|own| limit(Path::new("/sys/fs/cgroup"), &own));
    let bytes = ahead(machine, group);
    let steps = usize::try_from(bytes).unwrap_or(0) / AHEAD_STEP_BYTES;
    let work = move || {
        let mut taken = Vec::with_capacity(steps);
        for _ in 0..steps {
            // Written to, or it would not be there.
            taken.push(vec![1_u8; AHEAD_STEP_BYTES]);
            thread::sleep(AHEAD_PAUSE);
        }
        drop(std::hint::black_box(taken));
    };
    // Without it the node is slower for a while, and right.
    let _started = thread::Builder::new().name("memory-ahead".to_owned()).spawn(work).is_ok();
}

/// All memory of the machine in bytes, as `/proc/meminfo` has it.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The least that the process's control group or one around it is allowed, in bytes. `own` is what `/proc/self/cgroup` has,
/// `root` where groups of version 2 are.
fn limit(root: &Path, own: &str) -> Option<u64> {
    let group = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let limits = Path::new(group).ancestors().filter_map(|group| fs::read_to_string(root.join(group).join("memory.max")).ok());
    // A group without a limit says `max`.
    limits.filter_map(|text| text.trim().parse().ok()).min()
}

/// How much to take, of a machine and a control group with this much; nothing where neither is known.
fn ahead(machine: Option<u64>, group: Option<u64>) -> u64 {
    let there_is = machine.into_iter().chain(group).min().unwrap_or(0);
    (there_is / AHEAD_SHARE).min(AHEAD_BYTES_MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_what_there_is_is_taken_and_never_more_than_the_bound() {
        let gib = 1 << 30;
        assert_eq!(total("MemTotal:       24684084 kB\nMemFree:        1 kB\n"), Some(24_684_084 * 1024));
        assert_eq!(total("MemFree: 1 kB\n"), None);
        assert_eq!(ahead(Some(24 * gib), None), AHEAD_BYTES_MAX);
        assert_eq!(ahead(Some(4 * gib), None), 128 << 20);
        assert_eq!(ahead(Some(24 * gib), Some(gib / 2)), 16 << 20, "a container has less than its machine");
        assert_eq!(ahead(None, None), 0);
    }

    #[test]
    fn the_tightest_of_the_groups_around_a_process_counts() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("system.slice/tidegate.service");
        fs::create_dir_all(&group).unwrap();
        assert_eq!(limit(root.path(), "0::/system.slice/tidegate.service\n"), None);
        fs::write(group.join("memory.max"), "max\n").unwrap();
        assert_eq!(limit(root.path(), "0::/system.slice/tidegate.service\n"), None);
        fs::write(root.path().join("system.slice/memory.max"), "4096\n").unwrap();
        fs::write(group.join("memory.max"), "8192\n").unwrap();
        assert_eq!(limit(root.path(), "4:memory:/old\n0::/system.slice/tidegate.service\n"), Some(4096));
        assert_eq!(limit(root.path(), "0::/\n"), None);
    }
}
