//! `cargo xtask sim`: a sweep of the simulation over many seeds, each run twice in separate processes.
//!
//! A seed passes if both runs succeed, both have the same trace, and the run was worth something: long enough, with a
//! crash, a partition and enough acknowledged writes. One seed per process, because a panicking simulation can take its
//! process with it; what it said on stderr is then shown.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

/// What a run must have had to count.
const SIMULATED_SECS_MIN: f64 = 30.0;
const CRASHES_MIN: u64 = 1;
const PARTITIONS_MIN: u64 = 1;
const WRITES_MIN: u64 = 100;
/// A run that takes longer than this is killed and counts as failed.
const RUN_MAX: Duration = Duration::from_secs(600);
/// How often a running child is looked at.
const POLL: Duration = Duration::from_millis(20);
/// Lines of a failed run's stderr that are shown.
const STDERR_LINES_MAX: usize = 40;

/// What to sweep.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// First seed.
    pub first: u64,
    /// Number of seeds.
    pub seeds: u64,
    /// Processes at a time.
    pub jobs: usize,
}

/// What one run told about itself.
#[derive(Clone, Debug, PartialEq)]
struct Report {
    simulated_s: f64,
    crashes: u64,
    partitions: u64,
    writes: u64,
    trace_hash: String,
    error: Option<String>,
}

#[derive(Default)]
struct Totals {
    passed: u64,
    failed: Vec<(u64, String)>,
    simulated_s: f64,
    crashes: u64,
    partitions: u64,
    writes: u64,
}

/// Runs the sweep with this executable and prints its totals.
///
/// # Errors
/// Names the seeds that failed.
pub fn run(binary: &Path, sweep: Sweep) -> Result<()> {
    let began = Instant::now();
    let bar = ProgressBar::new(sweep.seeds);
    let style = "{bar:40} {pos}/{len} seeds, {elapsed} gone, {eta} left {msg}";
    bar.set_style(ProgressStyle::with_template(style).expect("the template is well-formed"));
    let next = AtomicU64::new(0);
    let totals = Mutex::new(Totals::default());
    std::thread::scope(|scope| {
        for _ in 0..sweep.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= sweep.seeds {
                        return;
                    }
                    let seed = sweep.first + number;
                    let result = judge(binary, seed);
                    totals.lock().expect("no thread panics with the lock").add(seed, result, &bar);
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    totals.into_inner().expect("no thread panics with the lock").print(sweep, began.elapsed())
}

impl Totals {
    fn add(&mut self, seed: u64, result: Result<Report, String>, bar: &ProgressBar) {
        match result {
            Ok(report) => {
                self.passed += 1;
                self.simulated_s += report.simulated_s;
                self.crashes += report.crashes;
                self.partitions += report.partitions;
                self.writes += report.writes;
            }
            Err(reason) => {
                bar.suspend(|| eprintln!("seed {seed} FAILED: {reason}"));
                self.failed.push((seed, reason));
                bar.set_message(format!("({} failed)", self.failed.len()));
            }
        }
    }

    fn print(&self, sweep: Sweep, took: Duration) -> Result<()> {
        let rows = [
            ("seeds", format!("{} ({} to {})", sweep.seeds, sweep.first, sweep.first + sweep.seeds.saturating_sub(1))),
            ("passed", self.passed.to_string()),
            ("simulated hours", format!("{:.2} (each seed counted once, run twice)", self.simulated_s / 3600.0)),
            ("crashes", self.crashes.to_string()),
            ("partitions", self.partitions.to_string()),
            ("acknowledged writes", self.writes.to_string()),
            ("took", format!("{:.0} s", took.as_secs_f64())),
        ];
        rows.iter().for_each(|(name, value)| println!("{name:<20} {value}"));
        if self.failed.is_empty() {
            return Ok(());
        }
        let seeds: Vec<_> = self.failed.iter().map(|(seed, _)| seed.to_string()).collect();
        bail!("{} seeds failed: {}", seeds.len(), seeds.join(" "))
    }
}

/// Builds the simulation and finds it; dependencies are optimised in any case.
///
/// # Errors
/// It does not build.
pub fn build(root: &Path, is_release: bool) -> Result<PathBuf> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(["build", "--locked", "-p", "tidegate-tests", "--bin", "sim", "--message-format=json-render-diagnostics"]);
    if is_release {
        command.arg("--release");
    }
    let output = command.current_dir(root).stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the simulation does not build");
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "sim")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    executable.context("cargo names no executable of the simulation")
}

/// Both runs of one seed.
fn judge(binary: &Path, seed: u64) -> Result<Report, String> {
    let first = run_once(binary, seed)?;
    let second = run_once(binary, seed)?;
    compare(first, &second)
}

fn compare(first: Report, second: &Report) -> Result<Report, String> {
    if first.trace_hash != second.trace_hash {
        return Err(format!("two processes differ: traces {} and {}", first.trace_hash, second.trace_hash));
    }
    if let Some(error) = first.error {
        return Err(error);
    }
    let is_enough = first.simulated_s >= SIMULATED_SECS_MIN
        && first.crashes >= CRASHES_MIN
        && first.partitions >= PARTITIONS_MIN
        && first.writes >= WRITES_MIN;
    if is_enough {
        return Ok(first);
    }
    Err(format!(
        "too little happened: {:.0} s (>= {SIMULATED_SECS_MIN}), {} crashes (>= {CRASHES_MIN}), {} partitions (>= \
         {PARTITIONS_MIN}), {} writes (>= {WRITES_MIN})",
        first.simulated_s, first.crashes, first.partitions, first.writes
    ))
}

fn run_once(binary: &Path, seed: u64) -> Result<Report, String> {
    let mut child = Command::new(binary)
        .args(["--seed", &seed.to_string(), "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", binary.display()))?;
    // Both pipes are drained while the child runs, or it would stop at a full one.
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let outcome = wait(&mut child);
    let (stdout, stderr) = (join(stdout), join(stderr));
    let report = stdout.lines().rev().find_map(parse);
    match (outcome, report) {
        (Ok(true), Some(report)) => Ok(report),
        (Ok(false), Some(report)) if report.error.is_some() => Ok(report),
        (Ok(_), _) => Err(format!("the run failed and said:\n{}", tail(&stderr))),
        (Err(reason), _) => Err(format!("{reason}:\n{}", tail(&stderr))),
    }
}

type Drained = Option<std::thread::JoinHandle<String>>;

fn drain(pipe: Option<impl std::io::Read + Send + 'static>) -> Drained {
    let mut pipe = pipe?;
    Some(std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }))
}

fn join(drained: Drained) -> String {
    drained.and_then(|thread| thread.join().ok()).unwrap_or_default()
}

/// True if the child ended well; kills it when it takes too long.
fn wait(child: &mut Child) -> Result<bool, String> {
    let deadline = Instant::now() + RUN_MAX;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(POLL),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("killed after {} s", RUN_MAX.as_secs()));
            }
            Err(error) => return Err(format!("cannot wait for the run: {error}")),
        }
    }
}

fn parse(line: &str) -> Option<Report> {
    let value: Value = serde_json::from_str(line).ok()?;
    let number = |name: &str| value[name].as_u64();
    let is_ok = value["ok"].as_bool()?;
    let error = value["error"].as_str().map(str::to_owned);
    Some(Report {
        simulated_s: value["simulated_s"].as_f64()?,
        crashes: number("crashes")?,
        partitions: number("partitions")?,
        writes: number("writes")?,
        trace_hash: match &value["trace_hash"] {
            Value::String(hash) => hash.clone(),
            hash => hash.as_u64()?.to_string(),
        },
        error: if is_ok { None } else { error.or_else(|| Some("the run says that it is not ok".to_owned())) },
    })
}

fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(STDERR_LINES_MAX)..].join("\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"seed":1,"simulated_s":31.5,"crashes":1,"partitions":2,"writes":100,"trace_hash":"ab","ok":true}"#;

    #[test]
    fn a_seed_needs_equal_traces_and_enough_events() {
        let good = parse(GOOD).unwrap();
        assert_eq!(compare(good.clone(), &good), Ok(good.clone()));
        let other = Report { trace_hash: "cd".to_owned(), ..good.clone() };
        assert_eq!(compare(good.clone(), &other).unwrap_err(), "two processes differ: traces ab and cd");
        for lazy in [
            Report { simulated_s: 29.9, ..good.clone() },
            Report { crashes: 0, ..good.clone() },
            Report { partitions: 0, ..good.clone() },
            Report { writes: 99, ..good.clone() },
        ] {
            assert!(compare(lazy.clone(), &lazy).unwrap_err().starts_with("too little happened"), "{lazy:?}");
        }
    }

    #[test]
    fn a_report_that_is_not_ok_fails_the_seed() {
        let bad = parse(&GOOD.replace("\"ok\":true", "\"ok\":false,\"error\":\"lost a write\"")).unwrap();
        assert_eq!(compare(bad.clone(), &bad).unwrap_err(), "lost a write");
        assert_eq!(parse("noise"), None);
    }
}
