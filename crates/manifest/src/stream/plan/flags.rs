//! What an entry makes of the fields of its release.

use tidegate_model::{Ramp, Release, ReleaseSpec};

use super::super::entry::{Entry, Stream};
use super::policy;

/// How the notes of a release begin that the import has disabled. One that is disabled without it was disabled by hand,
/// and an import does not undo that.
const MARK: &str = "not offered by the stream";

/// Wanted fields of a release.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Flags {
    /// Must be passed through.
    pub required: bool,
    /// Devices on it stay.
    pub dead_end: bool,
    /// Not a target for now.
    pub is_disabled: bool,
    /// The stream's reason, or why it is disabled.
    pub notes: String,
    /// True if the stream sends devices to it, be it not all of them.
    pub is_offered: bool,
    /// True if the stream sends all devices to it.
    pub is_full: bool,
    /// What of the entry cannot be said.
    pub warning: Option<String>,
}

impl Flags {
    /// Of the representative of a version. `is_limited`: its own ramp limits it, as it is the latest.
    pub fn of_entry(stream: &Stream, entry: Option<&Entry>, is_limited: bool) -> Self {
        let Some(entry) = entry else { return Self::disabled("", None) };
        if let Some(reason) = &entry.dead_end {
            return Self { dead_end: true, notes: reason.clone(), ..Self::default() };
        }
        if !entry.is_offered() {
            return Self::disabled("", None);
        }
        let required = entry.barrier.is_some();
        let reason = entry.notes();
        let is_full = !is_limited && stream.is_full(entry);
        if is_limited || is_full {
            return Self { required, is_offered: true, is_full, notes: reason.to_owned(), ..Self::default() };
        }
        let whom = if required { "nobody passes" } else { "nobody gets" };
        let warning = format!("is throttled but not the newest: {whom} it until the stream offers it to everybody");
        Self { required, ..Self::disabled(reason, Some(warning)) }
    }

    /// Of an attempt that another one has followed.
    pub fn of_earlier_attempt(entry: Option<&Entry>) -> Self {
        let dead_end = entry.is_some_and(|entry| entry.dead_end.is_some());
        Self { dead_end, ..Self::disabled("another attempt follows", None) }
    }

    /// Of the stop beside a dead end, or beside what was one.
    pub fn of_stop(is_dead_end: bool) -> Self {
        let flags = Self::disabled("keeps devices on the dead end that report nothing but their version", None);
        Self { required: is_dead_end, ..flags }
    }

    fn disabled(reason: &str, warning: Option<String>) -> Self {
        let notes = if reason.is_empty() { MARK.to_owned() } else { format!("{MARK}: {reason}") };
        Self { is_disabled: true, notes, warning, ..Self::default() }
    }

    /// Writes the fields into `spec`; returns what changes, in words.
    pub fn write(&self, release: &Release, spec: &mut ReleaseSpec) -> Vec<String> {
        let mut changes = Vec::new();
        let mut note = |differs: bool, words: &str| {
            if differs {
                changes.push(words.to_owned());
            }
        };
        note(release.required != self.required, if self.required { "is a barrier" } else { "is no barrier" });
        note(release.dead_end != self.dead_end, if self.dead_end { "is a dead end" } else { "is no dead end" });
        spec.required = self.required;
        spec.dead_end = self.dead_end;
        let kept;
        let notes = if is_stopped_by_hand(release) {
            self.notes.strip_prefix(MARK).map_or(self.notes.as_str(), |rest| rest.trim_start_matches(": "))
        } else {
            note(release.disabled != self.is_disabled, if self.is_disabled { "is not offered" } else { "is offered" });
            spec.disabled = Some(self.is_disabled);
            kept = self.notes_after(&release.notes);
            &kept
        };
        // The notes of the import itself go with what they explain.
        note(release.notes != notes && !notes.starts_with(MARK) && !release.notes.starts_with(MARK), "notes");
        spec.notes = notes.to_owned();
        if changes.is_empty() && release.notes != notes {
            changes.push("notes".to_owned());
        }
        changes
    }

    /// The notes to write: what the stream does not speak of any more keeps what it said last.
    fn notes_after(&self, stored: &str) -> String {
        if self.notes != MARK || stored.is_empty() {
            self.notes.clone()
        } else if stored.starts_with(MARK) {
            stored.to_owned()
        } else {
            format!("{MARK}: {stored}")
        }
    }

    /// In words, for a new release.
    pub fn describe(&self, ramp: Option<&Ramp>) -> String {
        let what = match (self.dead_end, self.required, self.is_disabled) {
            (true, ..) => "dead end",
            (_, true, true) => "barrier that nobody passes",
            (_, true, false) => "barrier",
            (_, false, true) => "not offered",
            (_, false, false) => "offered",
        };
        match ramp {
            Some(ramp) => format!("{what}, {}", policy::describe(ramp)),
            None => what.to_owned(),
        }
    }
}

/// True if somebody else than an import has disabled it.
pub fn is_stopped_by_hand(release: &Release) -> bool {
    release.disabled && !release.notes.starts_with(MARK)
}
