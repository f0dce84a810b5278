//! Pages with commands: what a `console` block says to type, and whether what was printed is what the page says.
//!
//! `$ ` begins a command; one with `<<'END'` goes on until a line `END`; what follows is its output, standard error included. In
//! output `[..]` stands for any text within a line, `...` on a line of its own for any lines; runs of blanks are as one. A
//! command whose output begins with `error:` must fail, any other must not. What the cluster does takes a moment: a
//! command that may be asked again is, until it prints what is promised, or the time is up.

use std::path::Path;
use std::time::{Duration, Instant};

use tidegate_harness::binary;
use tokio::process::Command;

/// How long the cluster may take for what a page promises.
const PATIENCE: Duration = Duration::from_secs(20);

/// One command and what it is to print.
#[derive(Debug, Default)]
pub struct Step {
    pub line: usize,
    pub command: String,
    pub output: Vec<String>,
}

/// All steps of a page.
pub fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut in_console, mut in_document) = (false, false);
    for (i, line) in text.lines().enumerate() {
        if in_document {
            let step = steps.last_mut().expect("a document belongs to a command");
            step.command += &format!("\n{line}");
            in_document = line != "END";
        } else if let Some(language) = line.strip_prefix("```") {
            in_console = !in_console && language == "console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| in_console) {
            in_document = command.contains("<<'END'");
            steps.push(Step { line: i + 1, command: command.to_owned(), output: Vec::new() });
        } else if in_console {
            steps.last_mut().expect("output follows a command").output.push(line.to_owned());
        }
    }
    steps
}

/// True if the printed lines are what the guide says.
fn fits(said: &[String], printed: &[String]) -> bool {
    match said.split_first() {
        None => printed.is_empty(),
        Some((dots, rest)) if dots.trim() == "..." => (0..=printed.len()).any(|skipped| fits(rest, &printed[skipped..])),
        Some((line, rest)) => printed.split_first().is_some_and(|(first, others)| fits_line(line, first) && fits(rest, others)),
    }
}

fn fits_line(said: &str, printed: &str) -> bool {
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (said, printed) = (squeeze(said), squeeze(printed));
    let parts: Vec<&str> = said.split("[..]").collect();
    let [first, middle @ .., last] = parts.as_slice() else { return said == printed };
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Runs a step in `folder`, with `variables` set and the product in the path, until it prints what the page says.
///
/// # Panics
/// When it does not, or not in time; `page` is named.
pub async fn run(page: &str, step: &Step, folder: &Path, variables: &[(&str, String)], may_repeat: fn(&str) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let is_to_fail = step.output.iter().any(|line| line.starts_with("error:"));
    let mut rounds = tokio::time::interval(Duration::from_millis(50));
    loop {
        rounds.tick().await;
        let (has_succeeded, printed) = run_once(&step.command, folder, variables).await;
        if has_succeeded != is_to_fail && fits(&step.output, &printed) {
            return;
        }
        let is_over = !may_repeat(&step.command) || Instant::now() > deadline;
        assert!(
            !is_over,
            "{page}:{}\n$ {}\n--- the page says\n{}\n--- it printed\n{}",
            step.line,
            step.command,
            step.output.join("\n"),
            printed.join("\n")
        );
    }
}

async fn run_once(command: &str, folder: &Path, variables: &[(&str, String)]) -> (bool, Vec<String>) {
    let program = binary::path().parent().expect("the binary is in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-c", &format!("{{ {command}\n}} 2>&1")])
        .current_dir(folder)
        .env("PATH", format!("{}:{}:{path}", folder.join("bin").display(), program.display()))
        .envs(variables.iter().map(|(name, value)| (*name, value.as_str())))
        .output()
        .await
        .expect("a shell starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), text.lines().map(str::to_owned).collect())
}

#[test]
fn placeholders_stand_for_what_differs() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (said, printed, expected) in [
        ("a b", " a   b", true),
        ("a b", "a c", false),
        ("at [..] by ops", "at noon by ops", true),
        ("at [..] by ops", "at noon by me", false),
        ("[..]x[..]y", "1x2y", true),
        ("a\n...\nd", "a\nb\nc\nd", true),
        ("a\n...\nd", "a\nb", false),
        ("", "something", false),
    ] {
        assert_eq!(fits(&lines(said), &lines(printed)), expected, "{said:?} {printed:?}");
    }
}

#[test]
fn commands_and_their_output_are_told_apart() {
    let steps = steps("text\n```console\n$ cat > a <<'END'\n$ not a command\nEND\n$ run a\nout\n```\n```text\n$ not one\n```\n");
    let shown: Vec<_> = steps.iter().map(|step| (step.line, step.command.as_str(), step.output.len())).collect();
    assert_eq!(shown, [(3, "cat > a <<'END'\n$ not a command\nEND", 0), (6, "run a", 1)]);
}
