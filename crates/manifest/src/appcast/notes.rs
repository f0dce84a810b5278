//! What a feed says to people, kept in the notes of a release: lines `Name: value`, an empty line, the description.
//!
//! ```text
//! Title: Tide 2.0
//! Short version: 2.0 (beta)
//! Release notes: https://example.org/2.0.html
//!
//! <p>Everything is new.</p>
//! ```

use crate::limits;

/// The parts, each absent if empty.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Notes {
    /// Title, if it is not just the version.
    pub title: Option<String>,
    /// The version as people read it, if it differs.
    pub short_version: Option<String>,
    /// Web page.
    pub link: Option<String>,
    /// Where the release notes are.
    pub release_notes: Option<String>,
    /// Where all release notes are.
    pub full_release_notes: Option<String>,
    /// Release notes in the feed itself.
    pub description: Option<String>,
}

const NAMES: [&str; 5] = ["Title", "Short version", "Link", "Release notes", "Full release notes"];

impl Notes {
    /// Writes them, and names what is too long to keep: everything together has a bound.
    pub fn write(mut self) -> (String, Vec<&'static str>) {
        let mut dropped = Vec::new();
        for (name, value) in NAMES.into_iter().zip(self.lines_mut()) {
            // One line each: what is a control character or a run of blanks becomes one blank.
            *value = value.take().map(|text| one_line(&text)).filter(|text| !text.is_empty());
            if value.as_ref().is_some_and(|text| text.len() > limits::APPCAST_LINE_BYTES_MAX) {
                *value = None;
                dropped.push(name);
            }
        }
        let description = self.description.take().filter(|text| !text.is_empty());
        let lines = self.lines_mut();
        let mut text: String = NAMES
            .iter()
            .zip(lines)
            .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}: {value}\n")))
            .collect();
        match description {
            Some(description) if text.len() + description.len() < limits::APPCAST_NOTES_BYTES_MAX => {
                text.push('\n');
                text += &description;
            }
            Some(_) => dropped.push("description"),
            None => {}
        }
        let end = text.trim_end().len();
        text.truncate(end);
        (text, dropped)
    }

    /// Reads what [`write`](Self::write) wrote; anything else is a description.
    pub fn read(text: &str) -> Self {
        let mut notes = Self::default();
        let (head, description) = match text.strip_prefix('\n') {
            Some(description) => ("", description),
            None => text.split_once("\n\n").unwrap_or((text, "")),
        };
        for line in head.lines() {
            let named = line.split_once(": ").and_then(|(name, value)| Some((NAMES.iter().position(|n| *n == name)?, value)));
            let Some((index, value)) = named else {
                return Self { description: Some(text.trim().to_owned()), ..Self::default() };
            };
            *notes.lines_mut()[index] = Some(value.to_owned());
        }
        notes.description = Some(description.trim().to_owned()).filter(|text| !text.is_empty());
        notes
    }

    fn lines_mut(&mut self) -> [&mut Option<String>; 5] {
        [&mut self.title, &mut self.short_version, &mut self.link, &mut self.release_notes, &mut self.full_release_notes]
    }
}

fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}
