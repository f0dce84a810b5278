//! The tables, with the bars beside the figures, and the same as JSON.

use comfy_table::{Cell, CellAlignment, Table, presets};
use serde_json::{Value, json};

use crate::asks::Class;
use crate::cost::{Compilation, KINDS, Weight};
use crate::instructions::{self, Count};
use crate::time::{Nanos, Times};

/// A decision in the typical catalog takes less than this, in nanoseconds.
pub const TYPICAL_NS: f64 = 1_000.0;
/// And less than this, in instructions.
pub const TYPICAL_INSTRUCTIONS: f64 = 5_000.0;
/// In the large catalog at most this many times as much.
pub const LARGE_FACTOR: f64 = 2.0;
/// A change compiles in the catalog with most releases in at most this many times what it takes in the smallest.
pub const COMPILE_FACTOR: f64 = 2.0;

/// Everything measured in one catalog.
#[derive(Clone, Debug)]
pub struct Row {
    /// The catalog.
    pub name: &'static str,
    /// Objects in it.
    pub objects: usize,
    /// The classes that it has requests for, with their allocations.
    pub classes: Vec<(Class, u64)>,
    /// Their times.
    pub times: Times,
    /// What compiling it costs.
    pub compilation: Compilation,
}

/// A figure that a bar is set for.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What is claimed.
    pub claim: String,
    /// The figure; absent if it could not be measured here.
    pub figure: Option<f64>,
    /// What it must not exceed.
    pub bar: f64,
}

impl Bar {
    /// `met`, `NOT MET`, or `skipped`.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match self.figure {
            None => "skipped",
            Some(figure) if figure <= self.bar => "met",
            Some(_) => "NOT MET",
        }
    }
}

/// The bars over all that was measured. Times of decisions are those of the quickest slice: what the code costs, not what else runs.
/// Times to compile a change are those of the change in the middle, for each change is another one.
#[must_use]
pub fn bars(rows: &[Row], counts: &[Count]) -> Vec<Bar> {
    let row = |name: &str| rows.iter().find(|row| row.name == name);
    let worst_time = |name| row(name).map(|row| worst(&row.times));
    let mean_time = |name| row(name).map(|row| mean(row.times.classes.iter().map(|times| times.least)));
    let worst_count = |name| instructions::worst(counts, name).map(|count| count.instructions);
    let of_catalog = |name: &str| counts.iter().filter(|count| count.catalog == name).map(|count| count.instructions).collect();
    let mean_count = |name: &str| Some(of_catalog(name)).filter(|all: &Vec<f64>| !all.is_empty()).map(mean);
    let bar = |claim: &str, figure: Option<f64>, bar: f64| Bar { claim: claim.to_owned(), figure, bar };
    let mut bars = vec![
        bar("typical: ns a decision, over all classes", mean_time("typical"), TYPICAL_NS),
        bar("typical: ns a decision, dearest class", worst_time("typical"), TYPICAL_NS),
        bar("typical: instructions a decision, over all classes", mean_count("typical"), TYPICAL_INSTRUCTIONS),
        bar("typical: instructions a decision, dearest class", worst_count("typical"), TYPICAL_INSTRUCTIONS),
        bar("large: ns a decision, over all classes", mean_time("large"), LARGE_FACTOR * TYPICAL_NS),
        bar("large: ns a decision, dearest class", worst_time("large"), LARGE_FACTOR * TYPICAL_NS),
        bar("large: instructions a decision, dearest class", worst_count("large"), LARGE_FACTOR * TYPICAL_INSTRUCTIONS),
        bar("large: instructions a decision, in typical ones", ratio(mean_count("large"), mean_count("typical")), LARGE_FACTOR),
        bar("allocations of all decisions", Some(allocations(rows)), 0.0),
    ];
    for (i, kind) in KINDS.iter().enumerate() {
        let compile = |name| row(name).and_then(|row| row.compilation.changes.get(i)).map(|times| times.median);
        let growth = ratio(compile("releases 100000"), compile("releases 12"));
        bars.push(bar(&format!("compile one {kind}: 100,000 releases in times of 12"), growth, COMPILE_FACTOR));
    }
    bars
}

fn ratio(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.zip(b).map(|(a, b)| a / b)
}

fn mean(figures: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = figures.into_iter().fold((0.0, 0.0), |(sum, count), figure| (sum + figure, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

fn worst(times: &Times) -> f64 {
    times.classes.iter().map(|times| times.least).fold(0.0, f64::max)
}

fn allocations(rows: &[Row]) -> f64 {
    let total: u64 = rows.iter().flat_map(|row| &row.classes).map(|(_, allocations)| *allocations).sum();
    total as f64
}

fn table<'t>(header: impl IntoIterator<Item = &'t str>, rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(header.into_iter().collect::<Vec<_>>());
    for row in rows {
        let cells = row
            .into_iter()
            .enumerate()
            .map(|(i, text)| Cell::new(text).set_alignment(if i == 0 { CellAlignment::Left } else { CellAlignment::Right }));
        table.add_row(cells);
    }
    format!("{table}\n")
}

/// The bars as a table.
#[must_use]
pub fn bar_table(bars: &[Bar]) -> String {
    let figure = |figure: f64| if figure < 100.0 { format!("{figure:.2}") } else { format!("{figure:.0}") };
    let row = |bar: &Bar| {
        let value = bar.figure.map_or_else(|| "-".to_owned(), figure);
        vec![bar.claim.clone(), value, figure(bar.bar), bar.verdict().to_owned()]
    };
    table(["Claim", "Figure", "Bar", "Verdict"], bars.iter().map(row).collect())
}

/// Nanoseconds of each class in each catalog: the quickest slice, and all classes in turn with the slice in the middle.
#[must_use]
pub fn time_table(rows: &[Row]) -> String {
    let header = ["Nanoseconds", "Objects"].into_iter().chain(Class::ALL.map(Class::name)).chain(["in turn", "(median)"]);
    let row = |row: &Row| {
        let of = |class: Class| {
            let at = row.classes.iter().position(|(found, _)| *found == class);
            at.map_or_else(|| "-".to_owned(), |at| format!("{:.0}", row.times.classes[at].least))
        };
        let mut cells = vec![row.name.to_owned(), row.objects.to_string()];
        cells.extend(Class::ALL.map(of));
        cells.extend([format!("{:.0}", row.times.mixed.least), format!("{:.0}", row.times.mixed.median)]);
        cells
    };
    table(header, rows.iter().map(row).collect())
}

/// Instructions of each class in each catalog.
#[must_use]
pub fn count_table(counts: &[Count]) -> String {
    let mut names: Vec<&str> = counts.iter().map(|count| count.catalog.as_str()).collect();
    names.dedup();
    let of =
        |name: &str, class| instructions::of(counts, name, class).map_or_else(|| "-".to_owned(), |count| format!("{count:.0}"));
    let row = |name: &&str| std::iter::once((*name).to_owned()).chain(Class::ALL.map(|class| of(name, class))).collect();
    let header = ["Instructions"].into_iter().chain(Class::ALL.map(Class::name));
    table(header, names.iter().map(row).collect())
}

/// Microseconds to compile one change of each kind, the one in the middle of many, and the whole catalog in milliseconds.
#[must_use]
pub fn compile_table(rows: &[Row]) -> String {
    let header = ["Microseconds"].into_iter().chain(KINDS).chain(["whole (ms)", "clone (ns)"]);
    let row = |row: &Row| {
        let mut cells = vec![row.name.to_owned()];
        cells.extend(row.compilation.changes.iter().map(|times| format!("{:.1}", times.median / 1e3)));
        cells.push(format!("{:.1}", row.compilation.whole / 1e6));
        cells.push(format!("{:.1}", row.compilation.clone));
        cells
    };
    table(header, rows.iter().map(row).collect())
}

/// Bytes for one of each kind.
#[must_use]
pub fn weight_table(weights: &[Weight]) -> String {
    let row = |weight: &Weight| {
        let figure = |bytes: f64| format!("{bytes:.0}");
        vec![weight.of.to_owned(), figure(weight.catalog), figure(weight.compiled), figure(weight.catalog + weight.compiled)]
    };
    table(["Bytes for one", "in the catalog", "compiled", "both"], weights.iter().map(row).collect())
}

/// All of it as JSON.
#[must_use]
pub fn json(machine: Value, rows: &[Row], counts: &[Count], weights: &[Weight]) -> Value {
    let nanos = |times: &Nanos| json!({"least": round(times.least), "median": round(times.median), "p90": round(times.p90)});
    let row = |row: &Row| {
        let classes = row.classes.iter().zip(&row.times.classes);
        let decisions: serde_json::Map<_, _> =
            classes.map(|((class, _), times)| (class.name().to_owned(), nanos(times))).collect();
        let changes: serde_json::Map<_, _> =
            KINDS.iter().zip(&row.compilation.changes).map(|(kind, times)| ((*kind).to_owned(), nanos(times))).collect();
        let in_turn = nanos(&row.times.mixed);
        json!({
            "catalog": row.name, "objects": row.objects, "decision_ns": decisions, "decision_ns_in_turn": in_turn,
            "compile_change_ns": changes, "compile_whole_ns": round(row.compilation.whole),
            "snapshot_clone_ns": round(row.compilation.clone),
        })
    };
    let count =
        |count: &Count| json!({"catalog": count.catalog, "class": count.class, "instructions": round(count.instructions)});
    let bar = |bar: &Bar| json!({"claim": bar.claim, "figure": bar.figure.map(round), "bar": bar.bar, "verdict": bar.verdict()});
    let weight = |weight: &Weight| json!({"of": weight.of, "catalog_bytes": round(weight.catalog), "compiled_bytes": round(weight.compiled)});
    json!({
        "machine": machine,
        "bars": bars(rows, counts).iter().map(bar).collect::<Vec<_>>(),
        "catalogs": rows.iter().map(row).collect::<Vec<_>>(),
        "instructions": counts.iter().map(count).collect::<Vec<_>>(),
        "memory": weights.iter().map(weight).collect::<Vec<_>>(),
    })
}

/// Two places are more than a clock is worth.
fn round(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}
