//! The two kinds of charts: lines over an axis, and spans of times row by row.

use crate::charts::paper::{Anchor, COLOURS, GREY, Paper};
use crate::charts::scale::{Kind, Scale, number};

const WIDTH: f64 = 920.0;
const HEIGHT: f64 = 400.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 66.0;
const LEFT: f64 = 104.0;
/// Room for the names of the lines.
const RIGHT: f64 = 260.0;
/// Room for the names of the rows.
const ROWS_LEFT: f64 = 300.0;
const ROWS_RIGHT: f64 = 40.0;
const ROW_HEIGHT: f64 = 44.0;

/// An axis with what it says.
pub struct Axis {
    /// What is counted, with its unit.
    pub label: &'static str,
    /// How values lie on it.
    pub kind: Kind,
}

/// One line.
pub struct Series {
    /// What it is, as the legend says.
    pub name: String,
    /// Whether it is somebody else's, and dashed.
    pub is_peer: bool,
    /// Which colour it has; a peer has that of what it is beside.
    pub colour: usize,
    /// Where it goes through, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// Lines over an axis.
pub struct Lines {
    /// What it shows.
    pub title: &'static str,
    /// Whose figures these are: the machine and the file.
    pub source: String,
    /// From left to right.
    pub x: Axis,
    /// From below.
    pub y: Axis,
    /// The lines; those without points are left out.
    pub series: Vec<Series>,
}

/// Times of one kind.
pub struct Row {
    /// What they are of.
    pub name: String,
    /// Half of them are below.
    pub p50: f64,
    /// All but a hundredth are below.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

/// Spans of times, row by row, over one logarithmic axis.
pub struct Spans {
    /// What it shows.
    pub title: &'static str,
    /// Whose figures these are.
    pub source: String,
    /// What is counted, with its unit.
    pub label: &'static str,
    /// A value that nothing may exceed, and its name.
    pub bound: (f64, String),
    /// From above.
    pub rows: Vec<Row>,
}

impl Lines {
    /// The picture.
    pub fn draw(&self) -> String {
        let series: Vec<&Series> = self.series.iter().filter(|series| !series.points.is_empty()).collect();
        let points = || series.iter().flat_map(|series| &series.points);
        let x = Scale::over(self.x.kind, points().map(|(x, _)| *x));
        let y = Scale::over(self.y.kind, points().map(|(_, y)| *y));
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let place = |(vx, vy): (f64, f64)| (LEFT + x.place(vx) * (right - LEFT), bottom - y.place(vy) * (bottom - TOP));
        let mut paper = Paper::new(pixels(WIDTH), pixels(HEIGHT), self.title);
        for tick in &y.ticks {
            let (_, at) = place((x.ticks[0], *tick));
            paper.line((LEFT, at), (right, at), GREY, "stroke-opacity=\"0.3\"");
            paper.text((LEFT - 8.0, at + 4.0), Anchor::End, &number(*tick));
        }
        for tick in &x.ticks {
            let (at, _) = place((*tick, y.ticks[0]));
            paper.line((at, bottom), (at, bottom + 5.0), GREY, "");
            paper.text((at, bottom + 19.0), Anchor::Middle, &number(*tick));
        }
        paper.line((LEFT, bottom), (right, bottom), GREY, "");
        paper.text((f64::midpoint(LEFT, right), bottom + 38.0), Anchor::Middle, self.x.label);
        paper.text_upwards((20.0, f64::midpoint(TOP, bottom)), self.y.label);
        for (i, series) in series.iter().enumerate() {
            let colour = COLOURS[series.colour % COLOURS.len()];
            let points: Vec<(f64, f64)> = series.points.iter().copied().map(place).collect();
            paper.path(&points, colour, series.is_peer);
            points.iter().for_each(|point| paper.dot(*point, colour, !series.is_peer));
            let at = TOP + 8.0 + 20.0 * f64::from(u32::try_from(i).unwrap_or(u32::MAX));
            paper.path(&[(right + 16.0, at), (right + 44.0, at)], colour, series.is_peer);
            paper.dot((right + 30.0, at), colour, !series.is_peer);
            paper.text((right + 52.0, at + 4.0), Anchor::Start, &series.name);
        }
        paper.text((16.0, HEIGHT - 10.0), Anchor::Start, &self.source);
        paper.finish()
    }
}

impl Spans {
    /// The picture.
    pub fn draw(&self) -> String {
        let values = self.rows.iter().flat_map(|row| [row.p50, row.p99, row.max]).chain([self.bound.0]);
        let x = Scale::over(Kind::Log, values);
        let height = TOP + BOTTOM + ROW_HEIGHT * f64::from(u32::try_from(self.rows.len()).unwrap_or(u32::MAX));
        let (right, bottom) = (WIDTH - ROWS_RIGHT, height - BOTTOM);
        let place = |value: f64| ROWS_LEFT + x.place(value) * (right - ROWS_LEFT);
        let mut paper = Paper::new(pixels(WIDTH), pixels(height), self.title);
        for tick in &x.ticks {
            paper.line((place(*tick), TOP), (place(*tick), bottom), GREY, "stroke-opacity=\"0.3\"");
            paper.text((place(*tick), bottom + 17.0), Anchor::Middle, &number(*tick));
        }
        let (bound, name) = &self.bound;
        paper.line((place(*bound), TOP), (place(*bound), bottom), COLOURS[4], "stroke-width=\"2\"");
        paper.text((place(*bound) - 6.0, TOP + 10.0), Anchor::End, name);
        paper.text((f64::midpoint(ROWS_LEFT, right), bottom + 36.0), Anchor::Middle, self.label);
        for (row, number_of_row) in self.rows.iter().zip(0_u32..) {
            let at = TOP + ROW_HEIGHT * (f64::from(number_of_row) + 0.5);
            paper.text((ROWS_LEFT - 24.0, at + 4.0), Anchor::End, &row.name);
            paper.path(&[(place(row.p50), at), (place(row.max), at)], COLOURS[0], false);
            for (value, name, is_full) in [(row.p50, "p50", true), (row.p99, "p99", true), (row.max, "max", false)] {
                paper.dot((place(value), at), COLOURS[0], is_full);
                // The largest is often close to p99: its name stands below the line.
                let down = if is_full { -8.0 } else { 17.0 };
                paper.text((place(value), at + down), Anchor::Middle, name);
            }
        }
        paper.text((16.0, height - 10.0), Anchor::Start, &self.source);
        paper.finish()
    }
}

/// A picture has less than a few thousand.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number of some hundreds")]
fn pixels(length: f64) -> u32 {
    length.round() as u32
}
