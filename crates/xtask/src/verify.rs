//! `cargo xtask verify`: what every commit must keep. It changes nothing; `cargo xtask fix` repairs what can be repaired.
//!
//! All steps run, also after one has failed, so that one run tells everything.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::{codegen, docs, layers, sources};

/// How much is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// Only what needs no compiler: seconds.
    Fast,
    /// All but the tests, because whoever calls runs them.
    NoTests,
    /// Everything.
    Full,
}

const CLIPPY: [&str; 8] = ["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"];
const INSTRUCTIONS: [&str; 8] =
    ["run", "--release", "--locked", "--quiet", "--package=tidegate-micro", "--", "micro", "--instructions"];
const DOC: [&str; 5] = ["doc", "--workspace", "--no-deps", "--locked", "--quiet"];

type Step = (&'static str, fn(&Path) -> Result<()>);

/// Runs all steps and says which failed.
///
/// # Errors
/// Names the steps that failed.
pub fn run(root: &Path, extent: Extent) -> Result<()> {
    let mut steps: Vec<Step> = vec![
        ("layers and owners", |root| none("layers", layers::violations(root)?)),
        ("files", files),
        ("generated code", |root| none("generated code, run `cargo xtask codegen`", codegen::differences(root)?)),
        ("generated docs", |root| none("generated docs, run `cargo xtask docs`", docs::differences(root)?)),
        ("named tests", |root| none("docs", docs::dangling(root)?)),
        ("format", |root| cargo(root, &["fmt", "--all", "--check"], &[])),
    ];
    if extent >= Extent::NoTests {
        steps.push(("clippy", |root| cargo(root, &CLIPPY, &[])));
        steps.push(("instructions", instructions));
        steps.push(("docs", |root| cargo(root, &DOC, &[("RUSTDOCFLAGS", "-D warnings")])));
    }
    if extent >= Extent::Full {
        steps.push(("tests", |root| cargo(root, &["test", "--workspace", "--locked"], &[])));
    }
    let mut failed = Vec::new();
    for (name, step) in steps {
        let began = Instant::now();
        let result = step(root);
        let secs = began.elapsed().as_secs_f64();
        match result {
            Ok(()) => eprintln!("ok      {name} ({secs:.1} s)"),
            Err(error) => {
                eprintln!("FAILED  {name} ({secs:.1} s)\n{error:#}");
                failed.push(name);
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("verify failed: {}", failed.join(", ")) }
}

/// Decisions take no more instructions than was agreed to. They are counted by valgrind, which is no part of a toolchain:
/// where it is not installed, this step is left to those who have it.
fn instructions(root: &Path) -> Result<()> {
    let valgrind = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !valgrind.is_ok_and(|status| status.success()) {
        eprintln!("notice  instructions: skipped, valgrind is not installed");
        return Ok(());
    }
    cargo(root, &INSTRUCTIONS, &[])
}

fn files(root: &Path) -> Result<()> {
    let findings = sources::look(root)?;
    findings.notices.iter().for_each(|notice| eprintln!("notice  {notice}"));
    none("files", findings.errors)
}

fn none(what: &str, violations: Vec<String>) -> Result<()> {
    if violations.is_empty() {
        return Ok(());
    }
    bail!("{} in {what}:\n  {}", violations.len(), violations.join("\n  "))
}

/// Runs cargo with these arguments and environment, its output passed through.
///
/// # Errors
/// Cargo cannot be started, or says no.
pub fn cargo(root: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(root)
        .status()
        .context("cannot start cargo")?;
    if status.success() { Ok(()) } else { bail!("`cargo {}` failed: {status}", arguments.join(" ")) }
}
