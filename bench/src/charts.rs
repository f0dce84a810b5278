//! `charts`: the results in `bench/results` as pictures in `docs/charts`. The same results give the same bytes; a test holds
//! the committed pictures to the committed results.
//!
//! [`pictures`] says which charts there are, [`plot`] how a chart looks, [`scale`] where a value lies, [`paper`] is the SVG.
//! A crate for plots would bring more code than these, and pictures that change with its versions.

mod paper;
mod pictures;
mod plot;
mod scale;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use crate::charts::pictures::Results;
use crate::table;

/// Draws all charts.
pub fn run() -> anyhow::Result<()> {
    let folder = charts();
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, picture) in drawn()? {
        let file = folder.join(name);
        std::fs::write(&file, picture).with_context(|| format!("cannot write {}", file.display()))?;
        table::say(file.display());
    }
    Ok(())
}

fn charts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/charts")
}

fn drawn() -> anyhow::Result<Vec<(&'static str, String)>> {
    let read = |name: &str| -> anyhow::Result<Value> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("results").join(name);
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))
    };
    let results = Results {
        compare: read("compare.json")?,
        micro: read("micro.json")?,
        freshness: read("freshness.json")?,
        cost: read("cost.json")?,
    };
    Ok(pictures::all(&results))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn committed_charts_are_those_of_the_committed_results() {
        for (name, picture) in drawn().unwrap() {
            let committed = std::fs::read_to_string(charts().join(name)).unwrap_or_default();
            assert!(committed == picture, "docs/charts/{name} differs from the results: run `tidegate-bench charts`");
        }
    }

    #[test]
    fn every_chart_has_lines_to_show_and_says_where_they_are_from() {
        for (name, picture) in drawn().unwrap() {
            assert!(picture.matches("<polyline").count() >= 4, "{name} shows next to nothing");
            assert!(picture.contains("bench/results/") && picture.contains(" cores"), "{name} does not say its source");
            assert!(!picture.contains("NaN") && !picture.contains("inf"), "{name} has a place that is none");
        }
    }
}
