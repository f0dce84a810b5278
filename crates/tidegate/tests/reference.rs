//! The reference pages keep up with the codes: an error or reason that a user can meet is described.

use std::path::{Path, PathBuf};

use tidegate_client::eligibility::Reason;
use tidegate_machine::Code;

fn docs(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(path)
}

#[test]
fn every_refusal_has_a_page() {
    let missing: Vec<&str> =
        Code::ALL.iter().map(|code| code.as_str()).filter(|code| !docs(&format!("errors/{code}.md")).is_file()).collect();
    assert!(missing.is_empty(), "no page in docs/reference/errors for {missing:?}");
}

#[test]
fn every_reason_has_a_line() {
    let text = std::fs::read_to_string(docs("reasons.md")).expect("the page of reasons is there");
    let missing: Vec<&str> =
        Reason::ALL.iter().map(|reason| reason.as_str()).filter(|code| !text.contains(&format!("| `{code}` |"))).collect();
    assert!(missing.is_empty(), "no line in docs/reference/reasons.md for {missing:?}");
}

/// Codes that are written as texts in the shells: whatever looks like a code in a `code()` function there.
#[test]
fn every_code_of_the_shells_has_a_page() {
    let sources = ["../server/src/refusal.rs", "../gateway/src/problem.rs", "../client/src/error.rs"];
    for source in sources {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(source)).expect("the source is there");
        for line in text.lines().filter(|line| line.contains("=> \"") && !line.contains("Code::")) {
            let code = line.split('"').nth(1).unwrap_or_default();
            let is_code = code.len() > 3 && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
            assert!(!is_code || docs(&format!("errors/{code}.md")).is_file(), "no page in docs/reference/errors for {code}");
        }
    }
}

/// `TIDEGATE_FREEZE=1 cargo test -p tidegate --test reference` writes the page anew.
#[test]
fn the_page_of_settings_is_the_table_of_settings() {
    let wanted = format!(
        "# Settings of a node\n\nA file (TOML), the environment and flags, in that order; later ones win. \
         `tidegate config print` shows the merged result.\n\n{}",
        tidegate_server::config::reference()
    );
    let path = docs("settings.md");
    if std::env::var_os("TIDEGATE_FREEZE").is_some() {
        std::fs::write(&path, &wanted).expect("the page can be written");
    }
    let text = std::fs::read_to_string(&path).expect("the page of settings is there");
    assert!(text == wanted, "docs/reference/settings.md is not the table of settings; see the comment of this test");
}

/// Every flag of `tidegate edge` that is shown has a row on its page.
#[test]
fn every_flag_of_an_edge_is_described() {
    let text = std::fs::read_to_string(docs("edge.md")).expect("the page of edges is there");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli_edge.rs");
    let source = std::fs::read_to_string(source).expect("the source is there");
    let named = source.split("env = \"TIDEGATE_EDGE_").skip(1).filter_map(|rest| rest.split('"').next());
    let flags: Vec<String> = named.map(|name| format!("`--{}`", name.to_lowercase().replace('_', "-"))).collect();
    assert!(flags.len() > 10, "the flags are read off the source: {flags:?}");
    let missing: Vec<&String> = flags.iter().filter(|flag| !text.contains(*flag)).collect();
    assert!(missing.is_empty(), "no row in docs/reference/edge.md for {missing:?}");
}
