//! Lines, dots and texts as SVG. There is no background, and no colour that needs one: the same picture is read on white and
//! on black.

use std::fmt::Write as _;

/// Grey of texts, axes and what does not matter.
pub const GREY: &str = "#767676";
/// Colours of what matters, in order of their use.
pub const COLOURS: [&str; 7] = ["#2f7ed8", "#d9660a", "#2a9150", "#a45ad1", "#d2405c", "#8a7410", "#138c9c"];

/// Where a text stands relative to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Begins there.
    Start,
    /// Has its middle there.
    Middle,
    /// Ends there.
    End,
}

/// A picture that is being drawn; lengths are pixels from the upper left corner.
pub struct Paper {
    body: String,
    width: u32,
    height: u32,
    title: String,
}

const NO_ERROR: &str = "a string takes everything";

impl Paper {
    /// An empty one; the title is also what a screen reader says.
    pub fn new(width: u32, height: u32, title: &str) -> Self {
        let mut paper = Self { body: String::new(), width, height, title: title.to_owned() };
        writeln!(paper.body, "<text x=\"16\" y=\"26\" font-size=\"15\" font-weight=\"bold\">{}</text>", escape(title))
            .expect(NO_ERROR);
        paper
    }

    /// A straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, more: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let more = if more.is_empty() { String::new() } else { format!(" {more}") };
        writeln!(self.body, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\"{more}/>")
            .expect(NO_ERROR);
    }

    /// Lines from point to point.
    pub fn path(&mut self, points: &[(f64, f64)], colour: &str, is_dashed: bool) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let dashes = if is_dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        let points = points.join(" ");
        writeln!(self.body, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>")
            .expect(NO_ERROR);
    }

    /// A dot; empty ones are drawn as rings.
    pub fn dot(&mut self, (x, y): (f64, f64), colour: &str, is_full: bool) {
        let fill = if is_full { colour } else { "none" };
        writeln!(
            self.body,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{fill}\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"
        )
        .expect(NO_ERROR);
    }

    /// A text on one line.
    pub fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        writeln!(self.body, "<text x=\"{x:.1}\" y=\"{y:.1}\"{anchor}>{}</text>", escape(text)).expect(NO_ERROR);
    }

    /// A text that is read from below, with its middle there.
    pub fn text_upwards(&mut self, (x, y): (f64, f64), text: &str) {
        writeln!(
            self.body,
            "<text transform=\"translate({x:.1} {y:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            escape(text)
        )
        .expect(NO_ERROR);
    }

    /// The whole file.
    pub fn finish(self) -> String {
        let Self { body, width, height, title } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
             font-family=\"sans-serif\" font-size=\"12\" fill=\"{GREY}\">\n<title>{}</title>\n{body}</svg>\n",
            escape(&title)
        )
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Relative luminance of a colour such as `#2f7ed8`, as the Web Content Accessibility Guidelines define it.
    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    #[test]
    fn colours_are_read_on_white_and_on_dark_pages() {
        for colour in COLOURS.into_iter().chain([GREY]) {
            for page in ["#ffffff", "#0d1117"] {
                let (one, other) = (luminance(colour), luminance(page));
                let contrast = (one.max(other) + 0.05) / (one.min(other) + 0.05);
                assert!(contrast >= 3.0, "{colour} on {page}: {contrast:.2}");
            }
        }
    }

    #[test]
    fn texts_cannot_break_the_picture() {
        let mut paper = Paper::new(10, 10, "a < b");
        paper.text((1.0, 2.0), Anchor::Start, "<b> & c");
        let text = paper.finish();
        assert!(text.contains("a &lt; b") && text.contains("&lt;b&gt; &amp; c") && !text.contains("<b>"));
    }
}
