//! The figures as tables for reading.

use std::time::Duration;

use crate::cost::changes::KINDS;
use crate::cost::grown::Axis;
use crate::cost::point::Point;
use crate::program::Size;
use crate::table;

/// Prints all tables.
pub fn print(program: &Size, axes: &[(Axis, Vec<Point>)]) {
    let loaded = program.loaded.map_or_else(|| "not known".to_owned(), mb);
    table::say(format!(
        "\nthe program: {} MB as built with lines for stack traces, {loaded} MB of it to run (stripped)",
        mb(program.file)
    ));
    let rows = |cells: &dyn Fn(&Point) -> Vec<String>| -> Vec<Vec<String>> {
        let row = |axis: &Axis, point: &Point| [vec![format!("{} {}", axis.name(), point.size)], cells(point)].concat();
        axes.iter().flat_map(|(axis, points)| points.iter().map(move |point| row(axis, point))).collect()
    };
    table::print(
        "Bytes of the catalog",
        &["catalog", "written/s, in bulk", "snapshot file KB", "node's disk MB", "whole to an edge KB", "edge's disk KB"],
        &rows(&|point| {
            vec![
                point.written_per_second.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0}")),
                kb(point.snapshot_bytes),
                mb(point.node_disk_bytes),
                kb(point.pulled.passed.down),
                kb(point.edge_disk_bytes),
            ]
        }),
    );
    let header = [&["bytes to an edge"], &KINDS[..], &["the whole catalog", "an edge that comes back"]].concat();
    table::print(
        "Bytes of one change to one edge",
        &header,
        &rows(&|point| {
            let mut cells: Vec<String> = point.changes.down.iter().map(|bytes| format!("{bytes:.0}")).collect();
            cells.extend([point.pulled.passed.down.to_string(), point.resumed.passed.down.to_string()]);
            cells
        }),
    );
    table::print(
        "While nothing happens",
        &[
            "catalog",
            "leader % of a core",
            "other nodes %",
            "edge %",
            "bytes/s to an edge",
            "bytes/s from it",
            "node's memory MB",
            "edge's MB",
        ],
        &rows(&|point| {
            let idle = &point.idle;
            let percents = [idle.leader_percent, idle.follower_percent, idle.edge_percent].map(|percent| format!("{percent:.2}"));
            let rates = [idle.to_edge, idle.from_edge].map(|rate| format!("{rate:.0}"));
            [percents.to_vec(), rates.to_vec(), vec![mb(idle.node_bytes), mb(idle.edge_bytes)]].concat()
        }),
    );
    let header =
        ["ms until ready", "one node", "all three", "an edge with nothing", "with its disk copy", "node's memory after it MB"];
    table::print(
        "Start",
        &header,
        &rows(&|point| {
            let times = [point.start_one, point.start_all, point.pulled.after, point.resumed.after];
            let mut cells: Vec<String> = times.map(ms).to_vec();
            cells.push(mb(point.started_bytes));
            cells
        }),
    );
}

fn ms(time: Duration) -> String {
    time.as_millis().to_string()
}

fn kb(bytes: u64) -> String {
    format!("{}.{}", bytes / 1_000, bytes % 1_000 / 100)
}

fn mb(bytes: u64) -> String {
    format!("{}.{}", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}
