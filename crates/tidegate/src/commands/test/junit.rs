//! The report that build servers read: one suite, one case per file.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Played, Verdict};

/// The whole report as XML. Failing steps are failures, files that are no tests are errors.
pub(super) fn report(played: &[Played], took: Duration) -> String {
    let failures = played.iter().filter(|one| matches!(&one.verdict, Verdict::Played(report) if !report.passed())).count();
    let errors = played.iter().filter(|one| matches!(one.verdict, Verdict::Unreadable(_))).count();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let counts = format!(
        "tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"0\" time=\"{:.3}\"",
        played.len(),
        took.as_secs_f64()
    );
    line(&mut out, format_args!("<testsuites name=\"tidegate test\" {counts}>"));
    line(&mut out, format_args!("<testsuite name=\"rollout tests\" {counts}>"));
    for one in played {
        case(&mut out, one);
    }
    out.push_str("</testsuite>\n</testsuites>\n");
    out
}

fn case(out: &mut String, one: &Played) {
    let file = escaped(&one.source_name);
    let name = match &one.verdict {
        Verdict::Played(report) => escaped(&report.name),
        Verdict::Unreadable(_) => file.clone(),
    };
    let head = format!("<testcase name=\"{name}\" classname=\"{file}\" file=\"{file}\" time=\"{:.3}\"", one.took.as_secs_f64());
    let trouble = match &one.verdict {
        Verdict::Played(report) => report.failure.as_ref().map(|failure| {
            let message = format!("step {}: expected {}, came {}", failure.step, failure.expected, failure.came);
            ("failure", message, failure.to_string())
        }),
        Verdict::Unreadable(errors) => {
            let all: Vec<_> = errors.iter().map(ToString::to_string).collect();
            Some(("error", all.first().cloned().unwrap_or_default(), all.join("\n")))
        }
    };
    match trouble {
        None => line(out, format_args!("{head}/>")),
        Some((kind, message, detail)) => {
            line(out, format_args!("{head}>"));
            line(out, format_args!("<{kind} message=\"{}\">{}</{kind}>", escaped(&message), escaped(&detail)));
            line(out, format_args!("</testcase>"));
        }
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing to a string cannot fail");
}

/// Text as XML; characters that XML cannot say are replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_tests_are_errors_and_texts_are_escaped() {
        let source = tidegate_manifest::Source { name: "a<b>.yaml".to_owned(), text: "name: \"x & y\"\n".to_owned() };
        let verdict = Verdict::Unreadable(tidegate_scenario::load(&source).expect_err("it has no steps"));
        let text = report(&[Played { source_name: source.name, verdict, took: Duration::ZERO }], Duration::from_secs(1));
        assert!(text.contains("tests=\"1\" failures=\"0\" errors=\"1\""), "{text}");
        assert!(text.contains("classname=\"a&lt;b&gt;.yaml\""), "{text}");
        assert!(text.contains("steps: must be given"), "{text}");
        assert_eq!(escaped("a\u{1}\"\n"), "a\u{fffd}&quot;&#10;");
    }
}
