//! The counts that were last agreed to, and whether new ones keep them: `bench/micro/instructions.json`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

use crate::instructions::Count;
use crate::shape::{self, Named};

/// A count may exceed its baseline by this share before it is a regression, in thousandths. Counts of one build are the same on
/// every run; those of two compilers are not quite.
pub const TOLERANCE_PER_MILLE: u32 = 30;

/// Catalogs that the check counts: small ones, that are built in seconds under valgrind, one for every axis.
pub const CATALOGS: [&str; 5] = ["typical", "releases 1000", "rollouts 100", "overrides 1000", "holds 1000"];

/// The catalogs of the check.
#[must_use]
pub fn catalogs() -> Vec<Named> {
    CATALOGS.iter().filter_map(|name| shape::find(name)).collect()
}

/// Where the baseline lies.
#[must_use]
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.json")
}

/// Writes `counts` as the new baseline.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, counts: &[Count]) -> Result<()> {
    let mut catalogs = Map::new();
    for count in counts {
        let catalog = catalogs.entry(count.catalog.clone()).or_insert_with(|| json!({}));
        if let Value::Object(classes) = catalog {
            classes.insert(count.class.clone(), json!(count.instructions.round()));
        }
    }
    let text = serde_json::to_string_pretty(&Value::Object(catalogs)).context("counts are plain numbers")?;
    std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}

/// Reads the baseline.
///
/// # Errors
/// The file cannot be read, or is no object of objects of numbers.
pub fn read(path: &Path) -> Result<Vec<Count>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let catalogs: Map<String, Value> = serde_json::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?;
    let mut counts = Vec::new();
    for (catalog, classes) in catalogs {
        let Value::Object(classes) = classes else { bail!("{catalog}: must be an object of counts") };
        for (class, count) in classes {
            let instructions = count.as_f64().with_context(|| format!("{catalog}, {class}: must be a number"))?;
            counts.push(Count { catalog: catalog.clone(), class, instructions });
        }
    }
    Ok(counts)
}

/// What speaks against `counts`, each as one sentence: a count above its baseline, and one that is on one side only.
#[must_use]
pub fn regressions(baseline: &[Count], counts: &[Count]) -> Vec<String> {
    let find = |among: &[Count], of: &Count| {
        among.iter().find(|count| count.catalog == of.catalog && count.class == of.class).map(|count| count.instructions)
    };
    let mut found = Vec::new();
    for count in counts {
        let (catalog, class, now) = (&count.catalog, &count.class, count.instructions);
        match find(baseline, count) {
            None => found.push(format!("{catalog}, {class}: {now:.0} instructions, and no baseline")),
            Some(before) if now * 1_000.0 > before * f64::from(1_000 + TOLERANCE_PER_MILLE) => found.push(format!(
                "{catalog}, {class}: {now:.0} instructions must be <= {before:.0} and {:.0} %",
                f64::from(TOLERANCE_PER_MILLE) / 10.0
            )),
            Some(_) => {}
        }
    }
    let gone = baseline.iter().filter(|before| find(counts, before).is_none());
    found.extend(gone.map(|before| format!("{}, {}: has a baseline and was not counted", before.catalog, before.class)));
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn count(class: &str, instructions: f64) -> Count {
        Count { catalog: "typical".to_owned(), class: class.to_owned(), instructions }
    }

    #[test]
    fn a_count_may_grow_by_the_tolerance_and_no_further() {
        let baseline = [count("offer", 1_000.0)];
        assert_eq!(regressions(&baseline, &[count("offer", 1_030.0)]), Vec::<String>::new());
        assert_eq!(regressions(&baseline, &[count("offer", 500.0)]), Vec::<String>::new());
        let worse = regressions(&baseline, &[count("offer", 1_031.0)]);
        assert_eq!(worse, ["typical, offer: 1031 instructions must be <= 1000 and 3 %"]);
    }

    #[test]
    fn what_is_on_one_side_only_is_spoken_of() {
        let found = regressions(&[count("offer", 1.0)], &[count("held", 2.0)]);
        let expected = ["typical, held: 2 instructions, and no baseline", "typical, offer: has a baseline and was not counted"];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_baseline_that_was_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("instructions.json");
        let counts = [count("offer", 5_035.0), count("nothing new", 2_772.0)];
        write(&path, &counts).unwrap();
        assert_eq!(read(&path).unwrap(), counts);
    }

    /// The committed baseline is of the catalogs that the check counts.
    #[test]
    fn the_committed_baseline_is_of_these_catalogs() {
        let baseline = read(&path()).unwrap();
        assert!(CATALOGS.iter().all(|name| baseline.iter().any(|count| count.catalog == *name)));
        assert!(baseline.iter().all(|count| CATALOGS.contains(&count.catalog.as_str())));
        assert_eq!(catalogs().len(), CATALOGS.len());
    }
}
