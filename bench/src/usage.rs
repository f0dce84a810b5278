//! What a process takes from the machine, as the kernel tells it.

use std::time::Duration;

use anyhow::Context as _;

/// The unit of times in `/proc`: what Linux shows to programs, whatever the kernel counts in.
const TICKS_PER_SECOND: u64 = 100;

/// What one process has taken so far.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Processor time of all of its threads, in steps of 10 ms.
    pub cpu: Duration,
    /// Memory that is resident now, in bytes.
    pub resident_bytes: u64,
}

impl Usage {
    /// That of a running process.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let read =
            |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).with_context(|| format!("process {pid} is gone"));
        let ticks = ticks(&read("stat")?).context("the times of a process are numbers")?;
        let resident = resident_kib(&read("status")?).context("a process that runs has memory")?;
        let cpu = Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND);
        Ok(Self { cpu, resident_bytes: resident * 1_024 })
    }
}

/// Percent of one core between two looks that lie `apart`.
pub fn percent(before: &Usage, after: &Usage, apart: Duration) -> f64 {
    after.cpu.saturating_sub(before.cpu).as_secs_f64() * 100.0 / apart.as_secs_f64()
}

/// User and system time; the name before them may hold blanks and brackets.
fn ticks(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

fn resident_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name_and_memory_behind_its_own() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194304 100 0 0 0 123 45 0 0 20 0 4 0 9 1 2 3";
        assert_eq!(ticks(stat), Some(168));
        assert_eq!(ticks("7 (a) S 1 2"), None);
        assert_eq!(resident_kib("VmPeak:\t 9 kB\nVmRSS:\t    2048 kB\n"), Some(2_048));
        assert!(Usage::of(std::process::id()).unwrap().resident_bytes > 0);
    }
}
