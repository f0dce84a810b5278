//! The guides run as they are written: every command of every `console` block, in order, in an empty folder beside a clean
//! `tidegate dev`, and what they print is what the guide says.
//!
//! `$ ` begins a command; one with `<<'END'` goes on until a line `END`; what follows is its output, standard error included. In
//! output `[..]` stands for any text within a line, `...` on a line of its own for any lines; runs of blanks are as one. A
//! command whose output begins with `error:` must fail, any other must not. What the controller does takes a moment: a
//! command that only looks is asked again until it prints what is promised, or the time is up.

use std::path::Path;
use std::time::{Duration, Instant};

use tidegate_tests::binary;
use tokio::process::Command;

use crate::ONE_AT_A_TIME;
use crate::dev::{PORT_OFFSET, start, stop};

/// How long the controller may take for what a guide promises.
const PATIENCE: Duration = Duration::from_secs(20);

const GUIDES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guide");

/// One command and what it is to print.
#[derive(Debug, Default)]
struct Step {
    line: usize,
    command: String,
    output: Vec<String>,
}

/// All steps of a guide.
fn steps(text: &str) -> Vec<Step> {
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

/// True for a command that changes nothing, and may be asked again.
fn only_looks(command: &str) -> bool {
    ["check", "get", "rollout status", "audit", "device", "diff", "history", "export", "cluster status"]
        .iter()
        .any(|verb| command.starts_with(&format!("tidegate {verb}")))
}

async fn run(command: &str, folder: &Path) -> (bool, Vec<String>) {
    let program = binary::path().parent().expect("the binary is in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let endpoints: Vec<String> = (1..=3).map(|node| format!("http://127.0.0.1:{}", 7_500 + PORT_OFFSET + node)).collect();
    let output = Command::new("sh")
        .args(["-c", &format!("{{ {command}\n}} 2>&1")])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", program.display()))
        .env("TIDEGATE_ENDPOINT", endpoints.join(","))
        .output()
        .await
        .expect("a shell starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), text.lines().map(str::to_owned).collect())
}

async fn follow(name: &str) {
    let _one = ONE_AT_A_TIME.lock().await;
    let text = std::fs::read_to_string(Path::new(GUIDES).join(name)).expect("the guide is part of the repository");
    let steps = steps(&text);
    assert!(steps.len() > 5, "{name} has commands");
    let folder = tempfile::TempDir::new().expect("there is a temporary folder");
    let (mut child, _) = start(folder.path()).await;
    for step in &steps {
        let deadline = Instant::now() + PATIENCE;
        let is_to_fail = step.output.iter().any(|line| line.starts_with("error:"));
        let mut rounds = tokio::time::interval(Duration::from_millis(50));
        loop {
            rounds.tick().await;
            let (has_succeeded, printed) = run(&step.command, folder.path()).await;
            if has_succeeded != is_to_fail && fits(&step.output, &printed) {
                break;
            }
            let is_over = !only_looks(&step.command) || Instant::now() > deadline;
            assert!(
                !is_over,
                "docs/guide/{name}:{}\n$ {}\n--- the guide says\n{}\n--- it printed\n{}",
                step.line,
                step.command,
                step.output.join("\n"),
                printed.join("\n")
            );
        }
    }
    stop(&mut child).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_os_release_in_stages() {
    follow("os-release-in-stages.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn staged_click_packages() {
    follow("staged-click-packages.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sparkle_appcast() {
    follow("sparkle-appcast.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_by_fault_domain() {
    follow("services-by-fault-domain.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cohorts_and_release_graphs() {
    follow("cohorts-and-release-graphs.md").await;
}

#[test]
fn every_guide_is_in_the_index_and_has_a_test() {
    let index = std::fs::read_to_string(Path::new(GUIDES).join("README.md")).expect("there is an index");
    let this = include_str!("guide.rs");
    for entry in std::fs::read_dir(GUIDES).expect("there are guides") {
        let name = entry.expect("the folder can be read").file_name().to_string_lossy().into_owned();
        if name != "README.md" {
            assert!(index.contains(&format!("({name})")), "{name} is not in the index");
            assert!(this.contains(&format!("follow(\"{name}\")")), "{name} has no test");
        }
    }
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
