//! `test`: plays rollout tests on a virtual clock, without a cluster.
//!
//! Everything about a test is decided by `tidegate-scenario`; this module finds the files, shares them out between
//! threads, measures, prints, and writes the report for a build server.
mod junit;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use tidegate_manifest::print::Value;
use tidegate_manifest::{ManifestError, Source, tree};
use tidegate_scenario::{Report, load, run};

use crate::cli::{Output, Test};
use crate::exit::{Failure, Outcome};
use crate::files;
use crate::output::{map, note};

/// Deepest nesting of folders that is looked into; what lies deeper is an error.
const DEPTH_MAX: usize = 16;
/// Most files of one call; more is an error.
const FILES_MAX: usize = 100_000;
/// Threads that play tests; a test needs one.
const THREADS_MAX: usize = 16;

/// What became of one file.
pub(crate) struct Played {
    pub(crate) source_name: String,
    pub(crate) verdict: Verdict,
    pub(crate) took: Duration,
}

pub(crate) enum Verdict {
    Played(Report),
    /// It is no test.
    Unreadable(Vec<ManifestError>),
}

/// Plays all tests; exit code 1 if one fails, 2 if one cannot be read.
pub fn test(output: Output, arguments: &Test) -> Outcome {
    let began = Instant::now();
    let mut skipped = 0;
    let mut sources = Vec::new();
    for path in &arguments.files {
        collect(path, &mut sources, &mut skipped)?;
    }
    if sources.is_empty() {
        return Err(Failure::usage("no rollout test there: a test is a .yaml, .yml or .json file with name, start and steps"));
    }
    let played = play_all(&sources);
    let took = began.elapsed();
    if output == Output::Table {
        played.iter().for_each(|one| say(&lines(one, arguments.verbose)));
    }
    if output != Output::Table {
        crate::output::print(output, &summary(&played, took), &[]);
    }
    if let Some(path) = &arguments.junit {
        let written = std::fs::write(path, junit::report(&played, took));
        written.with_context(|| format!("cannot write {}", path.display())).map_err(Failure::Local)?;
    }
    if skipped > 0 {
        note(format_args!("{skipped} files beside them are manifests, not tests"));
    }
    conclude(output, &played, took)
}

fn conclude(output: Output, played: &[Played], took: Duration) -> Outcome {
    let unreadable = played.iter().filter(|one| matches!(one.verdict, Verdict::Unreadable(_))).count();
    let failed = played.iter().filter(|one| matches!(&one.verdict, Verdict::Played(report) if !report.passed())).count();
    let passed = played.len() - unreadable - failed;
    let steps: usize = played.iter().map(steps_of).sum();
    if output == Output::Table {
        let mut line = format!("{} tests, {steps} steps: {passed} passed, {failed} failed", played.len());
        if unreadable > 0 {
            line.push_str(&format!(", {unreadable} unreadable"));
        }
        say(&[format!("{line}, in {:.2} s", took.as_secs_f64())]);
    }
    if unreadable > 0 {
        return Err(Failure::usage(format!("{unreadable} of {} files are no tests", played.len())));
    }
    if failed > 0 {
        return Err(Failure::Local(anyhow!("{failed} of {} tests failed", played.len())));
    }
    Ok(())
}

fn steps_of(played: &Played) -> usize {
    match &played.verdict {
        Verdict::Played(report) => report.steps.iter().filter(|step| step.number > 0).count(),
        Verdict::Unreadable(_) => 0,
    }
}

/// The tests behind a path: a file as it is, a folder with everything in it, sorted. Tests may lie beside the manifests
/// that they are about: a file that a folder holds and that is made of manifests is passed over.
fn collect(path: &Path, sources: &mut Vec<Source>, skipped: &mut usize) -> Outcome {
    if !path.is_dir() {
        sources.push(files::read(path)?);
        return Ok(());
    }
    for file in walk(path, 0)? {
        let source = files::read(&file)?;
        if is_manifest(&source) {
            *skipped += 1;
        } else {
            sources.push(source);
        }
        if sources.len() > FILES_MAX {
            return Err(Failure::usage(format!("{}: must hold at most {FILES_MAX} tests", path.display())));
        }
    }
    Ok(())
}

fn walk(folder: &Path, depth: usize) -> Outcome<Vec<PathBuf>> {
    if depth > DEPTH_MAX {
        return Err(Failure::usage(format!("{}: lies more than {DEPTH_MAX} folders deep", folder.display())));
    }
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let entries = entries
        .with_context(|| format!("cannot read {}", folder.display()))
        .map_err(|error| Failure::Usage(format!("{error:#}")))?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(walk(&path, depth + 1)?);
        } else if path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known)) {
            found.push(path);
        }
    }
    Ok(found)
}

/// True if the file is made of manifests: its first document has a kind, or is a list of such.
fn is_manifest(source: &Source) -> bool {
    let (documents, _) = tree::read(&source.name, &source.text, &mut tree::Budget::default());
    let has_kind = |node: &tree::Node| node.get("kind").is_some() && node.get("steps").is_none();
    documents.first().is_some_and(|node| match &node.data {
        tree::Data::List(items) => items.first().is_some_and(has_kind),
        tree::Data::Map(_) | tree::Data::Scalar(_) => has_kind(node),
    })
}

/// Plays every file, several at a time; the answers come in the order of the files.
fn play_all(sources: &[Source]) -> Vec<Played> {
    let next = AtomicUsize::new(0);
    let slots: Vec<Mutex<Option<Played>>> = sources.iter().map(|_| Mutex::new(None)).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX).min(sources.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((source, slot)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    sources.get(index).zip(slots.get(index))
                } {
                    let played = play(source);
                    *slot.lock().expect("a slot is locked by one thread, once") = Some(played);
                }
            });
        }
    });
    let filled = slots.into_iter().map(|slot| slot.into_inner().expect("a thread that panicked has ended the scope"));
    filled.map(|slot| slot.expect("every index is taken by one thread")).collect()
}

fn play(source: &Source) -> Played {
    let began = Instant::now();
    let verdict = match load(source) {
        Ok(scenario) => Verdict::Played(run(&scenario)),
        Err(errors) => Verdict::Unreadable(errors),
    };
    Played { source_name: source.name.clone(), verdict, took: began.elapsed() }
}

/// Prints lines. Nobody listening any more (a pager that was left) is no failure of a test.
fn say(lines: &[String]) {
    let mut out = std::io::stdout().lock();
    let _nobody_listens = lines.iter().try_for_each(|line| writeln!(out, "{line}"));
}

/// What there is to say of a file: failures always, everything with `--verbose`.
fn lines(played: &Played, is_verbose: bool) -> Vec<String> {
    let mut lines = Vec::new();
    match &played.verdict {
        Verdict::Unreadable(errors) => {
            lines.push(format!("UNREADABLE {}", played.source_name));
            lines.extend(errors.iter().map(|error| format!("  {error}")));
        }
        Verdict::Played(report) => {
            let verdict = if report.passed() { "ok    " } else { "FAILED" };
            if is_verbose || !report.passed() {
                lines.push(format!("{verdict} {}: {} ({} ms)", report.source_name, report.name, played.took.as_millis()));
            }
            if is_verbose {
                lines.extend(report.steps.iter().flat_map(step_lines));
            }
            if let Some(failure) = &report.failure {
                lines.extend(failure.to_string().lines().map(|line| format!("  {line}")));
            }
        }
    }
    lines
}

fn step_lines(step: &tidegate_scenario::StepReport) -> Vec<String> {
    let act = |act: &String| format!("        {act}");
    let own = format!("  {:>4}  {} {}: {}", step.number, step.at, step.title, step.came);
    step.acts_before.iter().map(act).chain([own]).chain(step.acts_after.iter().map(act)).collect()
}

/// All files for programs.
fn summary(played: &[Played], took: Duration) -> Value {
    let millis = |took: Duration| Value::number(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    let of = |one: &Played| {
        let (name, verdict, detail) = match &one.verdict {
            Verdict::Played(report) => match &report.failure {
                None => (report.name.as_str(), "passed", Value::Null),
                Some(failure) => (report.name.as_str(), "failed", Value::text(failure)),
            },
            Verdict::Unreadable(errors) => {
                let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
                ("", "unreadable", Value::text(errors.join("\n")))
            }
        };
        map([
            ("file", Value::text(&one.source_name)),
            ("name", Value::text(name)),
            ("verdict", Value::text(verdict)),
            ("steps", Value::number(u64::try_from(steps_of(one)).unwrap_or(u64::MAX))),
            ("took_ms", millis(one.took)),
            ("detail", detail),
        ])
    };
    map([("tests", Value::List(played.iter().map(of).collect())), ("took_ms", millis(took))])
}
