//! Floors and owners: which crate may depend on which, and who may name the heavy dependencies.
//!
//! The tables stand in the root manifest, under `[workspace.metadata]`: `floors` gives every crate its floor, and
//! dependencies go down only; `within` lists the few edges that may run within one floor; `owners` gives a heavy
//! dependency the crates that may name it. Dev-dependencies may go sideways too, never up. The top floor (tests) may
//! use everything.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use toml::{Table, Value};

use crate::workspace::walk;

/// Crates without I/O, clock, randomness, tasks, logs and metrics.
pub const PURE: [&str; 7] = [
    "tidegate-model",
    "tidegate-machine",
    "tidegate-eligibility",
    "tidegate-controller",
    "tidegate-proto",
    "tidegate-manifest",
    "tidegate-scenario",
];

/// What a pure crate may not depend on, however indirectly it would be used.
const IMPURE: [&str; 8] = ["tokio", "tokio-stream", "rand", "getrandom", "tracing", "prometheus-client", "rustix", "hyper"];

const PREFIX: &str = "tidegate";

/// Every edge that breaks a rule, each as one sentence.
///
/// # Errors
/// A manifest that cannot be read.
pub fn violations(root: &Path) -> Result<Vec<String>> {
    let read = |path: &Path| -> Result<Table> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        text.parse().with_context(|| format!("cannot read {}", path.display()))
    };
    let workspace = read(&root.join("Cargo.toml"))?;
    let mut crates = Vec::new();
    for folder in ["crates", "tests", "bench"] {
        for path in walk(&root.join(folder), |path| path.file_name().is_some_and(|name| name == "Cargo.toml"))? {
            crates.push(Crate::from_manifest(&read(&path)?)?);
        }
    }
    Ok(check(&Rules::from_manifest(&workspace)?, &crates))
}

/// The tables of the root manifest.
pub struct Rules {
    /// Floor by crate.
    pub floors: BTreeMap<String, i64>,
    within: BTreeMap<String, Vec<String>>,
    owners: BTreeMap<String, Vec<String>>,
}

/// One crate, as far as these rules care.
pub struct Crate {
    /// Its name.
    pub name: String,
    /// Dependencies for building and running it.
    pub dependencies: Vec<String>,
    /// Dependencies of its tests.
    pub dev_dependencies: Vec<String>,
}

impl Rules {
    /// Reads the root manifest.
    ///
    /// # Errors
    /// A table that is missing or of another shape.
    pub fn from_manifest(workspace: &Table) -> Result<Self> {
        let metadata = workspace
            .get("workspace")
            .and_then(|workspace| workspace.get("metadata"))
            .context("the root manifest has no [workspace.metadata]")?;
        let table = |name: &str| metadata.get(name).and_then(Value::as_table).cloned().unwrap_or_default();
        let floors = table("floors").into_iter().filter_map(|(name, floor)| Some((name, floor.as_integer()?))).collect();
        Ok(Self { floors, within: lists(table("within")), owners: lists(table("owners")) })
    }
}

fn lists(table: Table) -> BTreeMap<String, Vec<String>> {
    let texts = |value: Value| match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    table.into_iter().map(|(name, value)| (name, texts(value))).collect()
}

impl Crate {
    /// Reads a crate's manifest.
    ///
    /// # Errors
    /// A manifest without a package name.
    pub fn from_manifest(manifest: &Table) -> Result<Self> {
        let name = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
        let name = name.context("a manifest without a package name")?.to_owned();
        let mut found = Self { name, dependencies: Vec::new(), dev_dependencies: Vec::new() };
        found.collect(manifest);
        let targets = manifest.get("target").and_then(Value::as_table);
        targets.into_iter().flat_map(Table::values).filter_map(Value::as_table).for_each(|target| found.collect(target));
        Ok(found)
    }

    fn collect(&mut self, manifest: &Table) {
        let names = |table: &str| -> Vec<String> {
            manifest.get(table).and_then(Value::as_table).map(|table| table.keys().cloned().collect()).unwrap_or_default()
        };
        self.dependencies.extend(names("dependencies"));
        self.dependencies.extend(names("build-dependencies"));
        self.dev_dependencies.extend(names("dev-dependencies"));
    }
}

/// The rules over plain data.
#[must_use]
pub fn check(rules: &Rules, crates: &[Crate]) -> Vec<String> {
    let top = rules.floors.values().copied().max().unwrap_or(0);
    let mut violations = Vec::new();
    for krate in crates {
        let name = &krate.name;
        let Some(&floor) = rules.floors.get(name) else {
            violations.push(format!("{name}: has no floor in [workspace.metadata.floors]"));
            continue;
        };
        if floor == top {
            continue;
        }
        for (dependency, is_dev) in krate.edges() {
            violations.extend(climb(rules, name, floor, dependency, is_dev));
            violations.extend(foreign(rules, name, dependency));
            if !is_dev && PURE.contains(&name.as_str()) && IMPURE.contains(&dependency) {
                violations.push(format!("{name}: is pure and must not depend on {dependency}"));
            }
        }
    }
    violations.extend(unknown(rules, crates));
    violations
}

impl Crate {
    fn edges(&self) -> impl Iterator<Item = (&str, bool)> {
        let normal = self.dependencies.iter().map(|name| (name.as_str(), false));
        normal.chain(self.dev_dependencies.iter().map(|name| (name.as_str(), true)))
    }
}

/// An edge within the house that does not go down.
fn climb(rules: &Rules, name: &str, floor: i64, dependency: &str, is_dev: bool) -> Option<String> {
    let is_ours = dependency == PREFIX || dependency.starts_with("tidegate-");
    if !is_ours || dependency == name {
        return None;
    }
    let Some(&below) = rules.floors.get(dependency) else {
        return Some(format!("{name}: depends on {dependency}, which has no floor"));
    };
    let is_listed = rules.within.get(name).is_some_and(|listed| listed.iter().any(|listed| listed == dependency));
    let is_legal = below < floor || (below == floor && (is_dev || is_listed));
    (!is_legal).then(|| format!("{name} (floor {floor}): must not depend on {dependency} (floor {below})"))
}

/// A heavy dependency in a crate that does not own it.
fn foreign(rules: &Rules, name: &str, dependency: &str) -> Option<String> {
    let owners = rules.owners.get(dependency)?;
    let is_owner = owners.iter().any(|owner| owner == name);
    (!is_owner).then(|| format!("{name}: must not name {dependency}, which belongs to {}", owners.join(", ")))
}

/// Names in the tables that no crate bears: a renamed crate must not leave its rules behind.
fn unknown(rules: &Rules, crates: &[Crate]) -> Vec<String> {
    let mentioned = rules.floors.keys().chain(rules.within.keys()).chain(rules.owners.values().flatten());
    let mut unknown: Vec<_> = mentioned
        .filter(|name| !crates.iter().any(|krate| krate.name == **name))
        .map(|name| format!("{name}: stands in [workspace.metadata] and is no crate"))
        .collect();
    unknown.dedup();
    unknown
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const ROOT: &str = r#"
        [workspace.metadata.floors]
        tidegate-model = 0
        tidegate-machine = 1
        tidegate-eligibility = 1
        tidegate-platform = 4
        tidegate-store = 4
        tidegate-tests = 8
        [workspace.metadata.within]
        tidegate-store = ["tidegate-platform"]
        [workspace.metadata.owners]
        sled = ["tidegate-store"]
    "#;

    fn check_with(changed: &str, manifest: &str, expected: &[&str]) {
        let rules = Rules::from_manifest(&ROOT.parse().unwrap()).unwrap();
        let crates: Vec<Crate> = rules
            .floors
            .keys()
            .map(|name| {
                let dependencies = if name == changed { manifest } else { "" };
                Crate::from_manifest(&format!("[package]\nname = \"{name}\"\n{dependencies}").parse().unwrap()).unwrap()
            })
            .collect();
        assert_eq!(check(&rules, &crates), expected);
    }

    #[test]
    fn edges_go_down_only() {
        check_with("tidegate-machine", "[dependencies]\ntidegate-model = {}", &[]);
        check_with(
            "tidegate-model",
            "[dependencies]\ntidegate-machine.workspace = true",
            &["tidegate-model (floor 0): must not depend on tidegate-machine (floor 1)"],
        );
        check_with(
            "tidegate-machine",
            "[target.'cfg(unix)'.dependencies]\ntidegate-eligibility = {}",
            &["tidegate-machine (floor 1): must not depend on tidegate-eligibility (floor 1)"],
        );
    }

    #[test]
    fn within_a_floor_only_listed_edges_and_those_of_tests() {
        check_with("tidegate-store", "[dependencies]\ntidegate-platform = {}", &[]);
        check_with(
            "tidegate-platform",
            "[dependencies]\ntidegate-store = {}",
            &["tidegate-platform (floor 4): must not depend on tidegate-store (floor 4)"],
        );
        check_with("tidegate-machine", "[dev-dependencies]\ntidegate-eligibility = {}", &[]);
        check_with(
            "tidegate-machine",
            "[dev-dependencies]\ntidegate-store = {}",
            &["tidegate-machine (floor 1): must not depend on tidegate-store (floor 4)"],
        );
    }

    #[test]
    fn heavy_dependencies_have_owners_and_pure_crates_stay_pure() {
        check_with("tidegate-store", "[dependencies]\nsled = {}", &[]);
        check_with("tidegate-tests", "[dependencies]\nsled = {}\ntidegate-store = {}", &[]);
        check_with(
            "tidegate-platform",
            "[dependencies]\nsled = {}",
            &["tidegate-platform: must not name sled, which belongs to tidegate-store"],
        );
        check_with("tidegate-model", "[dependencies]\ntokio = {}", &["tidegate-model: is pure and must not depend on tokio"]);
        check_with("tidegate-model", "[dev-dependencies]\ntokio = {}", &[]);
    }

    #[test]
    fn every_crate_has_a_floor_and_every_floor_a_crate() {
        let rules = Rules::from_manifest(&ROOT.parse().unwrap()).unwrap();
        let krate = |name: &str| Crate { name: name.to_owned(), dependencies: vec![], dev_dependencies: vec![] };
        let found = check(&rules, &[krate("tidegate-new"), krate("tidegate-model")]);
        assert!(found.contains(&"tidegate-new: has no floor in [workspace.metadata.floors]".to_owned()), "{found:?}");
        assert!(found.contains(&"tidegate-store: stands in [workspace.metadata] and is no crate".to_owned()), "{found:?}");
    }

    /// The house as it stands.
    #[test]
    fn this_workspace_keeps_its_floors_and_owners() {
        assert_eq!(violations(&crate::workspace::root()).unwrap(), Vec::<String>::new());
    }
}
