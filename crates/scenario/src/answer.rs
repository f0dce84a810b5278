//! The answer to a check, field by field, and what a test expects of it.

use std::fmt;

use tidegate_eligibility::{Decision, Entry};
use tidegate_manifest::tree::{Data, Look, Node};
use tidegate_model::{Artifact, Timestamp};

/// Fields of the answer that can be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerField {
    Eligible,
    Reason,
    TargetRelease,
    TargetBundle,
    Version,
    Artifacts,
    Urgency,
    InstallMode,
    Source,
    ConfigVersion,
    StalenessMs,
    Node,
    RetryAfterS,
    NextEligibleAt,
    ExpiresAt,
    Nonce,
}

impl AnswerField {
    pub(crate) const ALL: [Self; 16] = [
        Self::Eligible,
        Self::Reason,
        Self::TargetRelease,
        Self::TargetBundle,
        Self::Version,
        Self::Artifacts,
        Self::Urgency,
        Self::InstallMode,
        Self::Source,
        Self::ConfigVersion,
        Self::StalenessMs,
        Self::Node,
        Self::RetryAfterS,
        Self::NextEligibleAt,
        Self::ExpiresAt,
        Self::Nonce,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Eligible => "eligible",
            Self::Reason => "reason",
            Self::TargetRelease => "target_release",
            Self::TargetBundle => "target_bundle",
            Self::Version => "version",
            Self::Artifacts => "artifacts",
            Self::Urgency => "urgency",
            Self::InstallMode => "install_mode",
            Self::Source => "source",
            Self::ConfigVersion => "config_version",
            Self::StalenessMs => "staleness_ms",
            Self::Node => "node",
            Self::RetryAfterS => "retry_after_s",
            Self::NextEligibleAt => "next_eligible_at",
            Self::ExpiresAt => "expires_at",
            Self::Nonce => "nonce",
        }
    }
}

/// The node that tests run on.
const NODE: &str = "test";

/// What is expected of an answer: only these fields are compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Expectation {
    pub fields: Vec<(AnswerField, Value)>,
    /// Codes that must all occur in the trace.
    pub trace_has: Vec<String>,
}

/// A value of the answer, as it is expected.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Nothing,
    Flag(bool),
    Number(u64),
    Text(String),
    Instant(Timestamp),
    /// A list of maps; of each only the fields named are compared.
    Artifacts(Node),
}

/// A value of the answer, as it came.
enum Came<'a> {
    Nothing,
    Flag(bool),
    Number(u64),
    Text(&'a str),
    Instant(Timestamp),
    Artifacts(&'a [Artifact]),
}

/// What a device heard.
#[derive(Clone, Copy)]
pub(crate) struct Heard<'s> {
    /// As the device may hear it.
    pub decision: Decision<'s>,
    pub now: Timestamp,
    pub nonce: Option<&'s str>,
}

impl<'s> Heard<'s> {
    /// The release that is offered; `None` also for an offer without one.
    pub(crate) fn offered_release(&self) -> Option<&'s str> {
        let target = self.decision.target.filter(|_| self.decision.is_offer())?;
        target.release.map(|release| release.as_str())
    }

    fn value(&self, field: AnswerField) -> Came<'s> {
        let Self { decision, now, nonce } = self;
        let target = decision.target.as_ref();
        let text = |text: Option<&'s str>| text.map_or(Came::Nothing, Came::Text);
        let instant = |at: Option<Timestamp>| at.map_or(Came::Nothing, Came::Instant);
        match field {
            AnswerField::Eligible => Came::Flag(decision.is_offer()),
            AnswerField::Reason => Came::Text(decision.reason.as_str()),
            AnswerField::TargetRelease => text(target.and_then(|target| target.release).map(|id| id.as_str())),
            AnswerField::TargetBundle => text(target.map(|target| target.bundle.id.as_str())),
            AnswerField::Version => text(target.and_then(|target| target.version).map(|version| version.as_str())),
            AnswerField::Artifacts => Came::Artifacts(target.map_or(&[], |target| target.bundle.artifacts.as_slice())),
            AnswerField::Urgency => text(target.map(|_| decision.urgency.as_str())),
            AnswerField::InstallMode => text(target.map(|_| decision.install_mode.as_str())),
            AnswerField::Source => text(decision.source.map(tidegate_eligibility::Source::as_str)),
            AnswerField::ConfigVersion => Came::Number(decision.config_version),
            AnswerField::StalenessMs => Came::Number(0),
            AnswerField::Node => Came::Text(NODE),
            AnswerField::RetryAfterS => Came::Number(decision.retry_after.as_millis() / 1_000),
            AnswerField::NextEligibleAt => instant(decision.next_eligible_at),
            AnswerField::ExpiresAt => instant(decision.is_offer().then(|| now.plus(decision.retry_after))),
            AnswerField::Nonce => text(*nonce),
        }
    }

    /// True if the fields that are named came as expected; the trace is not looked at.
    pub(crate) fn fits(&self, expected: &Expectation) -> bool {
        expected.fields.iter().all(|(field, value)| is_equal(value, &self.value(*field)))
    }

    /// The fields that are named, as they came.
    pub(crate) fn named(&self, expected: &Expectation) -> String {
        let all = expected.fields.iter().map(|(field, _)| format!("{}: {}", field.name(), self.value(*field)));
        all.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Heard<'_> {
    /// The reason, and what is offered.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.decision.reason.as_str())?;
        if let Some(target) = &self.decision.target {
            match target.release {
                Some(release) => write!(f, " {release}")?,
                None => write!(f, " bundle {}", target.bundle.id)?,
            }
        }
        if let Some(at) = self.decision.next_eligible_at {
            write!(f, " until {at}")?;
        }
        Ok(())
    }
}

/// True if every code occurs in the trace.
pub(crate) fn trace_has(trace: &[Entry<'_>], codes: &[String]) -> bool {
    codes.iter().all(|code| trace.iter().any(|entry| entry.code().is_some_and(|reason| reason.as_str() == code)))
}

fn is_equal(expected: &Value, came: &Came<'_>) -> bool {
    match (expected, came) {
        (Value::Nothing, Came::Nothing) => true,
        (Value::Nothing, Came::Artifacts(artifacts)) => artifacts.is_empty(),
        (Value::Flag(expected), Came::Flag(came)) => expected == came,
        (Value::Number(expected), Came::Number(came)) => expected == came,
        (Value::Text(expected), Came::Text(came)) => expected == came,
        (Value::Instant(expected), Came::Instant(came)) => expected == came,
        (Value::Artifacts(node), Came::Artifacts(came)) => match &node.data {
            Data::List(items) => items.len() == came.len() && items.iter().zip(*came).all(|(item, came)| is_artifact(item, came)),
            Data::Scalar(_) | Data::Map(_) => false,
        },
        _ => false, // Two kinds of values are never equal.
    }
}

/// True if the artifact has every field that is named.
fn is_artifact(expected: &Node, came: &Artifact) -> bool {
    let Data::Map(fields) = &expected.data else { return false };
    let optional = |node: &Node, came: &Option<String>| match came {
        Some(came) => node.quote() == came,
        None => node.is_null(),
    };
    fields.iter().all(|field| match field.name.as_str() {
        "name" => field.value.quote() == came.name,
        "size" => matches!(&field.value.data, Data::Scalar(s) if s.look() == Look::Number && s.text == came.size.to_string()),
        "sha256" => field.value.quote() == came.sha256,
        "base_sha256" => optional(&field.value, &came.base_sha256),
        "url" => optional(&field.value, &came.url),
        _ => false, // The reader refuses other names.
    })
}

impl fmt::Display for Came<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("null"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
            Self::Instant(at) => write!(f, "{at}"),
            Self::Artifacts(artifacts) => {
                let names: Vec<_> = artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
                write!(f, "[{}]", names.join(", "))
            }
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("null"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
            Self::Instant(at) => write!(f, "{at}"),
            Self::Artifacts(node) => f.write_str(node.quote()),
        }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all: Vec<_> = self.fields.iter().map(|(field, value)| format!("{}: {value}", field.name())).collect();
        if !self.trace_has.is_empty() {
            all.push(format!("trace_has: [{}]", self.trace_has.join(", ")));
        }
        f.write_str(&all.join(", "))
    }
}
