//! A rollout test as it was read: what happens when, and what is expected of it.

use std::collections::BTreeSet;

use tidegate_manifest::tree::Node;
use tidegate_model::{Document, ObjectKind, Principal, ReleaseId, RequestId, Timestamp, Transition};

use crate::answer::Expectation;

/// A whole file.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it says of itself.
    pub name: String,
    /// The file that it was read from.
    pub source_name: String,
    pub(crate) start: Timestamp,
    pub(crate) seed: String,
    pub(crate) objects: Vec<Document>,
    pub(crate) steps: Vec<Step>,
}

impl Scenario {
    /// Number of steps.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// True if there is nothing to do; [`crate::load`] reads no such file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// One step.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// From 1.
    pub number: usize,
    /// Line in the file.
    pub line: usize,
    /// The clock moves here first.
    pub at: Option<Timestamp>,
    pub action: Action,
}

/// What a step does or asks.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Only the clock moves.
    Wait,
    Check {
        ask: Ask,
        expected: Expected,
    },
    Fleet(Box<Fleet>),
    Do {
        act: Box<Act>,
        refused_with: Option<String>,
    },
    Apply {
        /// A list of manifests, read when the step runs.
        manifests: Node,
        refused_with: Option<String>,
    },
    Events {
        events: Vec<Series>,
        refused_with: Option<String>,
    },
    ExpectRollout(RolloutExpectation),
    ExpectObject(ObjectExpectation),
}

/// What a check is to hear.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// Any answer; errors are none.
    Nothing,
    Answer(Expectation),
    /// An error of this code.
    Error(String),
}

/// The fields of a check request as written. They are judged like the request of a device: when the step runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// As the JSON of a request, without `product` if it was left out.
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// One check per device, all at one instant.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    pub count: u64,
    pub first: u64,
    /// `{i}` in its texts stands for the number of the device.
    pub ask: Ask,
    pub remember: Option<String>,
    pub expected: FleetExpectation,
}

/// What is expected of a fleet.
#[derive(Clone, Debug, Default)]
pub(crate) struct FleetExpectation {
    pub offered: Option<u64>,
    pub offered_min: Option<u64>,
    pub offered_max: Option<u64>,
    /// Only offers of this release count.
    pub target_release: Option<String>,
    pub others: Option<Expectation>,
    pub same_as: Option<String>,
    pub contains: Option<String>,
    pub within: Option<String>,
    pub overlap: Option<Overlap>,
}

/// How many devices of two sets are the same.
#[derive(Clone, Debug)]
pub(crate) struct Overlap {
    pub with: String,
    pub min: Option<u64>,
    pub max: Option<u64>,
}

/// A write.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    /// Who does it; left out: the operator.
    pub by: Option<Principal>,
    pub request_id: Option<RequestId>,
    pub what: What,
    /// Why the value of an option is none, if one is not; what is written then is not what was asked for.
    pub malformed: Option<String>,
}

/// What is written.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Transition(Transition),
    Delete { object: ObjectName, expected_version: Option<u64> },
}

/// The name of an object as written; cohorts and devices may lack their product.
#[derive(Clone, Debug)]
pub(crate) struct ObjectName {
    pub kind: ObjectKind,
    pub id: String,
    pub product: Option<String>,
}

/// Events of one kind: `{i}` in device and event id stands for the number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    pub count: u64,
    pub first: u64,
    /// Names and texts of the fields as written; `at` in milliseconds since the Unix epoch.
    pub fields: Vec<(&'static str, String)>,
    /// Why a field is none, if one is not.
    pub malformed: Option<String>,
}

impl Series {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, text)| text.as_str())
    }
}

/// What is expected of a rollout.
#[derive(Clone, Debug)]
pub(crate) struct RolloutExpectation {
    pub release: ReleaseId,
    pub fields: Vec<(RolloutField, Wish)>,
}

/// Fields of a rollout that can be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RolloutField {
    State,
    Stage,
    SubStatus,
    Reason,
    Admitted,
    OpenDomains,
    PassedDomains,
    Flag,
}

impl RolloutField {
    pub(crate) const ALL: [Self; 8] = [
        Self::State,
        Self::Stage,
        Self::SubStatus,
        Self::Reason,
        Self::Admitted,
        Self::OpenDomains,
        Self::PassedDomains,
        Self::Flag,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Stage => "stage",
            Self::SubStatus => "sub_status",
            Self::Reason => "reason",
            Self::Admitted => "admitted",
            Self::OpenDomains => "open_domains",
            Self::PassedDomains => "passed_domains",
            Self::Flag => "flag",
        }
    }
}

/// An expected value of a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Nothing,
    Text(String),
    Number(u64),
    Set(BTreeSet<String>),
}

/// What is expected of an object.
#[derive(Clone, Debug)]
pub(crate) struct ObjectExpectation {
    pub object: ObjectName,
    pub exists: bool,
    pub version: Option<u64>,
    /// `Some(None)`: it has none.
    pub software_version: Option<Option<String>>,
    /// Fields of its manifest, also those with `null`.
    pub fields: Vec<(String, Node)>,
}
