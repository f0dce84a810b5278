//! Rules that can be seen in a file: headers, lengths, words that may not be merged, seams, sleeping tests.
//!
//! They are read off formatted text, line by line. A line that must break the rule of the seams says why in a comment
//! that begins with `past the seam:`, on the line or above it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::layers::PURE;
use crate::workspace::{relative, walk};

/// A file longer than this is spoken of; longer than [`FILE_LINES_MAX`] it is refused.
const FILE_LINES_GOOD: usize = 600;
const FILE_LINES_MAX: usize = 1_000;
/// A function longer than this is spoken of.
const FUNCTION_LINES_GOOD: usize = 70;
/// How far above a sleep in a test the deadline of its polling loop is looked for.
const DEADLINE_LINES: usize = 6;

/// What a look at the files brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Broken rules.
    pub errors: Vec<String>,
    /// Departures that a reviewer should see and that stop nobody.
    pub notices: Vec<String>,
}

/// Looks at every Rust file of ours, and at every text for words that belong to one machine.
///
/// # Errors
/// A file that cannot be read.
pub fn look(root: &Path) -> Result<Findings> {
    let mut findings = Findings::default();
    for folder in ["crates", "tests", "bench", "fuzz"] {
        let is_rust = |path: &Path| path.extension().is_some_and(|extension| extension == "rs");
        for path in walk(&root.join(folder), is_rust)? {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            findings.add(look_at(&relative(root, &path), &text));
        }
    }
    findings.errors.extend(machine_words(root)?);
    Ok(findings)
}

/// Texts that speak of folders which exist on one machine only. Sample data is what it is.
fn machine_words(root: &Path) -> Result<Vec<String>> {
    let is_text = |path: &Path| {
        let is_data = relative(root, path).starts_with("tests/data/");
        let extension = path.extension().and_then(|extension| extension.to_str());
        !is_data && extension.is_some_and(|extension| ["md", "toml", "proto", "yaml", "sh", "json"].contains(&extension))
    };
    let mut found = Vec::new();
    for path in walk(root, is_text)? {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for (i, line) in text.lines().enumerate() {
            if MACHINE.iter().any(|(head, tail)| line.contains(&format!("{head}{tail}"))) {
                found.push(format!("{}:{}: names a folder of one machine", relative(root, &path), i + 1));
            }
        }
    }
    Ok(found)
}

impl Findings {
    fn add(&mut self, other: Self) {
        self.errors.extend(other.errors);
        self.notices.extend(other.notices);
    }
}

/// Looks at one Rust file; `path` is seen from the root.
#[must_use]
pub fn look_at(path: &str, text: &str) -> Findings {
    let mut findings = Findings::default();
    if path.contains("/src/gen/") {
        return findings;
    }
    let lines: Vec<&str> = text.lines().collect();
    if !lines.first().is_some_and(|line| line.starts_with("//!")) {
        findings.errors.push(format!("{path}:1: must begin with //! and say what the file is for"));
    }
    if lines.len() > FILE_LINES_MAX {
        findings.errors.push(format!("{path}: {} lines must be <= {FILE_LINES_MAX}", lines.len()));
    } else if lines.len() > FILE_LINES_GOOD {
        findings.notices.push(format!("{path}: {} lines, better <= {FILE_LINES_GOOD}", lines.len()));
    }
    // Unit tests come last in a file.
    let tests_from = lines.iter().position(|line| line.starts_with("#[cfg(test)]")).unwrap_or(lines.len());
    for (i, line) in lines.iter().enumerate() {
        let is_test = i >= tests_from || is_test_file(path);
        let place = format!("{path}:{}", i + 1);
        findings.errors.extend(forbidden(line).map(|word| format!("{place}: {word} may not be merged")));
        if is_test {
            if sleeps(line) && !is_polling(&lines[i.saturating_sub(DEADLINE_LINES)..i]) && !is_simulated(path) {
                findings.errors.push(format!("{place}: a test must not sleep; wait for a condition with a deadline"));
            }
        } else if let Some(call) = past_the_seam(path, line)
            && !is_excused(&lines, i)
        {
            findings.errors.push(format!("{place}: {call} goes past a seam; see docs/architecture.md"));
        }
    }
    let product = lines.get(..tests_from).filter(|_| !is_test_file(path)).unwrap_or_default();
    findings.notices.extend(
        long_functions(product)
            .map(|(line, name, length)| format!("{path}:{line}: fn {name} has {length} lines, better <= {FUNCTION_LINES_GOOD}")),
    );
    findings
}

/// Put together from halves, so that this file does not find itself.
const FORBIDDEN: [(&str, &str); 6] =
    [("FIX", "ME"), ("#[ign", "ore"), ("should_", "panic"), ("to", "do!("), ("unimple", "mented!("), ("XX", "X:")];
const MACHINE: [(&str, &str); 2] = [("/wo", "rk/"), ("../sha", "red")];

fn forbidden(line: &str) -> Option<String> {
    FORBIDDEN.iter().chain(&MACHINE).map(|(head, tail)| format!("{head}{tail}")).find(|word| line.contains(word.as_str()))
}

fn is_test_file(path: &str) -> bool {
    let is_part = |part: &str| ["tests", "testing", "scripts", "benches", "harness"].contains(&part);
    path.starts_with("tests/") || path.starts_with("bench/") || path.split('/').any(is_part) || path.ends_with("/tests.rs")
}

/// Sleeping in the simulation takes no time.
fn is_simulated(path: &str) -> bool {
    path.starts_with("tests/sim/")
}

fn sleeps(line: &str) -> bool {
    let line = line.trim_start();
    !line.starts_with("//") && ["thread::sleep(", "time::sleep("].iter().any(|call| line.contains(call))
}

fn is_polling(above: &[&str]) -> bool {
    let words = ["deadline", "until", "timeout", "select!", "elapsed()"];
    above.iter().any(|line| words.iter().any(|word| line.contains(word)))
}

/// Calls that only `platform` (and binaries on a person's machine) may make, and those that no pure crate may.
fn past_the_seam(path: &str, line: &str) -> Option<&'static str> {
    const REAL: [&str; 10] = [
        "SystemTime::now(",
        "std::time::Instant::now(",
        "tokio::spawn(",
        "task::spawn_blocking(",
        "thread::spawn(",
        "TcpStream::connect(",
        "TcpListener::bind(",
        "tokio::fs::",
        "std::fs::",
        "rand::rng(",
    ];
    // Nothing can be awaited outside of what is async.
    const IMPURE: [&str; 7] = ["HashMap", "HashSet", "async fn", "async move", "async {", "println!", "std::env::"];
    let krate = path.strip_prefix("crates/")?.split('/').next()?;
    let code = line.split("//").next().unwrap_or(line);
    let find = |calls: &[&'static str]| calls.iter().copied().find(|call| code.contains(call));
    let is_pure = PURE.iter().any(|pure| pure.strip_prefix("tidegate-") == Some(krate));
    // Their business is the real world; sled, which lives in the journal, opens its files itself.
    let is_exempt = ["platform", "xtask", "tidegate"].contains(&krate) || path.starts_with("crates/store/src/journal/");
    if is_pure {
        find(&REAL).or_else(|| find(&IMPURE))
    } else if is_exempt {
        None
    } else {
        find(&REAL)
    }
}

fn is_excused(lines: &[&str], at: usize) -> bool {
    lines[at.saturating_sub(2)..=at].iter().any(|line| line.contains("past the seam:"))
}

/// Functions that do not fit a screen: line, name and length. Formatted code ends a function with a brace in the column
/// where it began.
fn long_functions<'t>(lines: &'t [&'t str]) -> impl Iterator<Item = (usize, &'t str, usize)> {
    lines.iter().enumerate().filter_map(|(i, line)| {
        let code = line.trim_start();
        let indent = &line[..line.len() - code.len()];
        let name = code.split_once("fn ").filter(|(before, _)| is_signature(before))?.1;
        let end = format!("{indent}}}");
        let length = lines[i..].iter().position(|line| *line == end)? + 1;
        let name = name.split(['(', '<']).next().unwrap_or(name);
        (length > FUNCTION_LINES_GOOD).then_some((i + 1, name, length))
    })
}

fn is_signature(before: &str) -> bool {
    before.split_whitespace().all(|word| ["async", "const", "unsafe"].contains(&word) || word.starts_with("pub"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, errors: &[&str]) {
        assert_eq!(look_at(path, text).errors, errors, "{text}");
    }

    #[test]
    fn files_begin_with_what_they_are_for() {
        check("crates/model/src/a.rs", "//! Of use.\n", &[]);
        check(
            "crates/model/src/a.rs",
            "fn a() {}\n",
            &["crates/model/src/a.rs:1: must begin with //! and say what the file is for"],
        );
        check("crates/proto/src/gen/a.rs", "fn a() {}\n", &[]);
    }

    #[test]
    fn words_that_promise_work_are_refused() {
        let text = format!("//! A.\n// {}{}: later\n", "FIX", "ME");
        assert_eq!(look_at("crates/model/src/a.rs", &text).errors.len(), 1);
    }

    #[test]
    fn tests_wait_for_conditions() {
        let sleep = concat!("std::thread::", "sleep(SECOND);");
        let sleeping = format!("//! A.\n#[test]\nfn a() {{\n    {sleep}\n}}\n");
        let expected = "crates/store/tests/a.rs:4: a test must not sleep; wait for a condition with a deadline";
        check("crates/store/tests/a.rs", &sleeping, &[expected]);
        let polling = format!("//! A.\nfn a() {{\n    assert!(now() < deadline);\n    {sleep}\n}}\n");
        check("crates/store/tests/a.rs", &polling, &[]);
    }

    #[test]
    fn the_real_world_is_reached_through_seams() {
        let text = "//! A.\nfn a() {\n    let now = SystemTime::now();\n}\n";
        check(
            "crates/server/src/a.rs",
            text,
            &["crates/server/src/a.rs:3: SystemTime::now( goes past a seam; see docs/architecture.md"],
        );
        check("crates/platform/src/a.rs", text, &[]);
        let excused = "//! A.\n// past the seam: the library asks for it.\nlet now = SystemTime::now();\n";
        check("crates/server/src/a.rs", excused, &[]);
        let in_tests = "//! A.\n#[cfg(test)]\nmod tests {\n    fn a() { SystemTime::now(); }\n}\n";
        check("crates/server/src/a.rs", in_tests, &[]);
        check(
            "crates/model/src/a.rs",
            "//! A.\nuse std::collections::HashMap;\n",
            &["crates/model/src/a.rs:2: HashMap goes past a seam; see docs/architecture.md"],
        );
    }

    #[test]
    fn long_functions_are_spoken_of() {
        let body = "    call();\n".repeat(FUNCTION_LINES_GOOD);
        let text = format!("//! A.\npub(crate) async fn long(a: u8) {{\n{body}}}\n");
        let findings = look_at("crates/model/src/a.rs", &text.replace("async ", ""));
        assert_eq!(findings.notices, ["crates/model/src/a.rs:2: fn long has 72 lines, better <= 70"]);
        assert_eq!(findings.errors, Vec::<String>::new());
    }

    /// The files as they stand.
    #[test]
    fn the_files_of_this_workspace_keep_the_rules() {
        assert_eq!(look(&crate::workspace::root()).unwrap().errors, Vec::<String>::new());
    }
}
