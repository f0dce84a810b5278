//! Which charts there are, and where in the results their figures stand. A figure that a result does not have is left out.

use serde_json::Value;

use crate::charts::plot::{Axis, Lines, Row, Series, Spans};
use crate::charts::scale::{Kind, number};
use crate::processors::Processors;

/// The results that charts are drawn from.
pub struct Results {
    /// `compare.json`.
    pub compare: Value,
    /// `micro.json`.
    pub micro: Value,
    /// `freshness.json`.
    pub freshness: Value,
    /// `cost.json`.
    pub cost: Value,
}

/// Every chart with the name of its file.
pub fn all(results: &Results) -> Vec<(&'static str, String)> {
    vec![
        ("checks.svg", checks(&results.compare).draw()),
        ("writes.svg", writes(&results.compare).draw()),
        ("decisions.svg", decisions(&results.micro).draw()),
        ("compilation.svg", compilation(&results.micro).draw()),
        ("freshness.svg", freshness(&results.freshness, &results.compare).draw()),
        ("bytes.svg", bytes(&results.cost).draw()),
        ("start.svg", start(&results.cost).draw()),
    ]
}

const RELEASES: Axis = Axis { label: "releases in the catalog", kind: Kind::Log };
const OBJECTS: Axis = Axis { label: "objects in the catalog", kind: Kind::Log };

fn checks(compare: &Value) -> Lines {
    let line = |name: &str, protocol: &str, peer: &str, side: &str, colour| {
        series(name, side == "theirs", colour, rates(compare, &format!("checks, {protocol}, "), " connections", peer, side))
    };
    Lines {
        title: "Update checks answered by one node, which shares its processors with the load",
        source: source(compare, "compare.json"),
        x: Axis { label: "connections, each with one question at a time", kind: Kind::Log },
        y: Axis { label: "checks a second", kind: Kind::Linear },
        series: vec![
            line("HTTP/1.1: Tidegate", "HTTP/1.1", "bare hyper", "ours", 0),
            line("HTTP/1.1: bare hyper", "HTTP/1.1", "bare hyper", "theirs", 0),
            line("HTTP/1.1: nginx, a file", "HTTP/1.1", "nginx, a static file", "theirs", 1),
            line("HTTP/1.1: Unleash Edge", "HTTP/1.1", "Unleash Edge, one toggle", "theirs", 2),
            line("gRPC: Tidegate", "gRPC", "bare hyper", "ours", 3),
            line("gRPC: bare hyper", "gRPC", "bare hyper", "theirs", 3),
        ],
    }
}

fn writes(compare: &Value) -> Lines {
    let line = |name: &str, tail: &str, side: &str, colour| {
        let tail = format!(" clients, {tail}");
        series(name, side == "theirs", colour, rates(compare, "compare-and-set writes, ", &tail, "etcd", side))
    };
    let [alone, awake, busy] = Processors::ALL.map(Processors::name);
    Lines {
        title: "Compare-and-set writes, durable on a majority of three nodes",
        source: source(compare, "compare.json"),
        x: Axis { label: "clients, each with one write at a time", kind: Kind::Log },
        y: Axis { label: "writes a second", kind: Kind::Linear },
        series: vec![
            line("Tidegate", alone, "ours", 0),
            line("etcd", alone, "theirs", 0),
            line("Tidegate, awake", awake, "ours", 1),
            line("etcd, awake", awake, "theirs", 1),
            line("Tidegate, busy processes", busy, "ours", 3),
            line("etcd, busy processes", busy, "theirs", 3),
        ],
    }
}

/// Points of the catalogs that differ in their releases only.
fn by_releases(micro: &Value, figure: impl Fn(&Value) -> Option<f64>) -> Vec<(f64, f64)> {
    let point = |catalog: &Value| {
        let releases = catalog["catalog"].as_str()?.strip_prefix("releases ")?.parse().ok()?;
        Some((releases, figure(catalog)?))
    };
    items(&micro["catalogs"]).filter_map(point).collect()
}

fn decisions(micro: &Value) -> Lines {
    let classes = ["offer", "nothing new", "held", "not in phase", "paused", "override", "unregistered"];
    let line = |(colour, class): (usize, &str)| {
        series(class, false, colour, by_releases(micro, |catalog| catalog["decision_ns"][class]["least"].as_f64()))
    };
    Lines {
        title: "One decision, by what it says",
        source: source(micro, "micro.json"),
        x: RELEASES,
        y: Axis { label: "nanoseconds, the quickest slice", kind: Kind::Linear },
        series: classes.into_iter().enumerate().map(line).collect(),
    }
}

fn compilation(micro: &Value) -> Lines {
    let kinds = ["publish", "pause or resume", "device", "hold", "override"];
    let us = |catalog: &Value, kind: &str| catalog["compile_change_ns"][kind]["median"].as_f64().map(|ns| ns / 1e3);
    let line = |(colour, kind): (usize, &str)| series(kind, false, colour, by_releases(micro, |catalog| us(catalog, kind)));
    Lines {
        title: "Compiling one change into the next snapshot",
        source: source(micro, "micro.json"),
        x: RELEASES,
        y: Axis { label: "microseconds, the quickest slice", kind: Kind::Linear },
        series: kinds.into_iter().enumerate().map(line).collect(),
    }
}

fn freshness(freshness: &Value, compare: &Value) -> Spans {
    let edges = freshness["edges"].as_f64().unwrap_or_default();
    let beside = items(&compare["compared"]).find(|one| one["what"] == "propagation").unwrap_or(&Value::Null);
    let rows = [
        row("a pause: all 3 nodes refuse", &freshness["nodes"]["everywhere"]),
        row(&format!("a pause: {} edges have it", number(edges)), &freshness["edges_in_one_process"]["everywhere"]),
        row("a pause: an edge process refuses", &freshness["edge_processes"]),
        row("beside etcd: all 3 nodes refuse", &beside["ours"]),
        row("etcd: 3 watchers have a put", &beside["theirs"]),
    ];
    let bound = freshness["bound_ms"].as_f64().unwrap_or(5_000.0);
    Spans {
        title: "From the acknowledgement of a change until it is everywhere",
        source: source(freshness, "freshness.json, compare.json"),
        label: "milliseconds",
        bound: (bound, "the bound".to_owned()),
        rows: rows.into_iter().flatten().collect(),
    }
}

/// A row, if its times are there and a logarithm can show them.
fn row(name: &str, times: &Value) -> Option<Row> {
    let of = |field: &str| times[field].as_str()?.parse::<f64>().ok().filter(|ms| *ms > 0.0);
    let count = times["count"].as_u64()?;
    Some(Row { name: format!("{name} ({count})"), p50: of("p50_ms")?, p99: of("p99_ms")?, max: of("max_ms")? })
}

/// Points over the objects of a catalog on one axis of `cost`.
fn by_objects(cost: &Value, axis: &str, figure: impl Fn(&Value) -> Option<f64>) -> Vec<(f64, f64)> {
    let found = items(&cost["axes"]).find(|one| one["axis"] == axis).unwrap_or(&Value::Null);
    items(&found["points"]).filter_map(|point| Some((point["objects"].as_f64()?, figure(point)?))).collect()
}

fn bytes(cost: &Value) -> Lines {
    let records = "device records";
    let change = |(colour, kind): (usize, &&str)| {
        let name = format!("one change: {kind}");
        series(&name, false, colour, by_objects(cost, records, |point| point["change_bytes"]["to_edge"][*kind].as_f64()))
    };
    let whole = |axis| by_objects(cost, axis, |point| point["catalog_to_edge_bytes"].as_f64());
    let mut all: Vec<Series> = crate::cost::KINDS.iter().enumerate().map(change).collect();
    all.push(series("the whole catalog: records", false, 4, whole(records)));
    all.push(series("the whole catalog: releases", false, 5, whole("releases")));
    Lines {
        title: "What an edge is sent",
        source: source(cost, "cost.json"),
        x: OBJECTS,
        y: Axis { label: "bytes", kind: Kind::Log },
        series: all,
    }
}

fn start(cost: &Value) -> Lines {
    let line = |name: &str, colour, axis: &str, field: &str| {
        series(name, axis == "releases", colour, by_objects(cost, axis, |point| point["ready_ms"][field].as_f64()))
    };
    let cases = [
        ("one node of three", "one_node"),
        ("all three nodes", "all_nodes"),
        ("an edge with nothing", "edge_with_nothing"),
        ("an edge with its copy", "edge_with_its_copy"),
    ];
    let records = cases.iter().enumerate().map(|(colour, (name, field))| line(name, colour, "device records", field));
    let releases =
        cases.iter().enumerate().map(|(colour, (name, field))| line(&format!("{name}, releases"), colour, "releases", field));
    Lines {
        title: "From the start of a process until it is ready, device records and releases",
        source: source(cost, "cost.json"),
        x: OBJECTS,
        y: Axis { label: "milliseconds", kind: Kind::Log },
        series: records.chain(releases).collect(),
    }
}

/// Rates of one side of the comparisons that are named by a number between two texts.
fn rates(compare: &Value, head: &str, tail: &str, peer: &str, side: &str) -> Vec<(f64, f64)> {
    let point = |one: &Value| {
        let count = one["what"].as_str()?.strip_prefix(head)?.strip_suffix(tail)?.parse().ok()?;
        Some((count, one[side]["per_second"].as_f64()?))
    };
    items(&compare["compared"]).filter(|one| one["peer"] == peer).filter_map(point).collect()
}

fn series(name: &str, is_peer: bool, colour: usize, points: Vec<(f64, f64)>) -> Series {
    Series { name: name.to_owned(), is_peer, colour, points }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// The machine and the file, as a line below a chart.
fn source(results: &Value, files: &str) -> String {
    let machine = &results["machine"];
    let processor = machine["cpu"].as_str().or(machine["processor"].as_str()).unwrap_or("an unknown processor");
    let cores = machine["cores"].as_u64().unwrap_or_default();
    let kib = machine["memory"].as_str().and_then(|memory| memory.split(' ').next()?.parse::<u64>().ok()).unwrap_or_default();
    let gb = kib * 1_024 / 1_000_000_000;
    format!("{processor}, {cores} cores, {gb} GB; bench/results/{files}")
}
