//! From a decision to what a device reads: the fields of the answer, once for both transports.

use tidegate_eligibility::Entry;
use tidegate_manifest::check::{CheckAnswer, TraceLine};
use tidegate_model::Timestamp;

use crate::desk::{Answered, whole_ms};

/// The steps of a decision as text; kept apart because the answer borrows from it.
pub(crate) struct TraceText(Vec<Line>);

struct Line {
    step: &'static str,
    release: Option<String>,
    code: &'static str,
    detail: String,
}

impl TraceText {
    pub(crate) fn of(trace: &[Entry<'_>]) -> Self {
        let line = |entry: &Entry<'_>| Line {
            step: step(entry),
            release: release(entry).map(str::to_owned),
            code: entry.code().map_or("", |reason| reason.as_str()),
            detail: entry.to_string(),
        };
        Self(trace.iter().map(line).collect())
    }

    pub(crate) fn lines(&self) -> Vec<TraceLine<'_>> {
        self.0.iter().map(Line::borrowed).collect()
    }
}

impl Line {
    fn borrowed(&self) -> TraceLine<'_> {
        TraceLine { step: self.step, release: self.release.as_deref(), code: self.code, detail: Some(&self.detail) }
    }
}

fn step(entry: &Entry<'_>) -> &'static str {
    match entry {
        Entry::Cohort { .. } => "cohort",
        Entry::Hold { .. } => "hold",
        Entry::Override { .. } => "override",
        Entry::Ignored { .. } => "ignored",
        Entry::Position { .. } => "position",
        Entry::MovedOn { .. } => "moved_on",
        Entry::Candidate { .. } => "candidate",
        Entry::Revert { .. } => "revert",
        Entry::Decided { .. } => "decided",
    }
}

fn release<'s>(entry: &Entry<'s>) -> Option<&'s str> {
    match entry {
        Entry::Position { release, .. }
        | Entry::MovedOn { release }
        | Entry::Candidate { release, .. }
        | Entry::Revert { release, .. } => Some(release.as_str()),
        Entry::Cohort { .. } | Entry::Hold { .. } | Entry::Override { .. } | Entry::Ignored { .. } | Entry::Decided { .. } => {
            None
        }
    }
}

/// The answer as plain data, borrowed from the decision. An offer holds until the device is to ask again; nothing else
/// expires.
pub(crate) fn fields<'a>(answered: &'a Answered<'a>, nonce: Option<&'a str>, trace: &'a [TraceLine<'a>]) -> CheckAnswer<'a> {
    let decision = &answered.decision;
    let target = decision.target.as_ref();
    CheckAnswer {
        eligible: decision.is_offer(),
        reason: decision.reason.as_str(),
        target_release: target.and_then(|target| target.release).map(|id| id.as_str()),
        target_bundle: target.map(|target| target.bundle.id.as_str()),
        version: target.and_then(|target| target.version).map(|version| version.as_str()),
        artifacts: target.map_or(&[], |target| target.bundle.artifacts.as_slice()),
        urgency: target.map(|_| decision.urgency.as_str()),
        install_mode: target.map(|_| decision.install_mode.as_str()),
        source: decision.source.map(tidegate_eligibility::Source::as_str),
        config_version: answered.stamp.config_version,
        staleness_ms: answered.staleness.map(whole_ms),
        node: answered.node,
        retry_after_s: answered.retry_after_s,
        next_eligible_at: decision.next_eligible_at,
        expires_at: expires_at(answered),
        nonce,
        hypothetical: false,
        trace,
    }
}

fn expires_at(answered: &Answered<'_>) -> Option<Timestamp> {
    let decision = &answered.decision;
    decision.is_offer().then(|| answered.now.plus(decision.retry_after))
}
