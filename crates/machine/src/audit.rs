//! One record per entry, also for refused ones, chained by hashes so that none can be taken out unseen.

use tidegate_model::{Command, Digest, ObjectRef, Principal, RequestId, Timestamp};

use crate::lifecycle::Action;
use crate::rejection::Code;

/// What one entry did, for the shell to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Counts all records of the cluster's life, from 1.
    pub number: u64,
    /// Log index of the entry.
    pub index: u64,
    /// Log time of the entry.
    pub at: Timestamp,
    /// Who asked.
    pub principal: Principal,
    /// Under which id.
    pub request_id: RequestId,
    /// What was asked, in a few words: `apply 3`, `pause r1`, `batch 2`.
    pub action: String,
    /// The reason that the caller gave.
    pub reason: Option<String>,
    /// Digest of the command.
    pub command: Digest,
    /// The config version after the entry, or why it was refused.
    pub result: Result<u64, Code>,
    /// Whether it was a retry that was answered from memory.
    pub replayed: bool,
    /// The objects that changed.
    pub objects: Vec<ObjectRef>,
    /// Hash over the previous record's head and this record.
    pub head: Digest,
}

/// How many records there are, and the hash of the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// Number of records.
    pub count: u64,
    /// Head of the chain.
    pub head: Digest,
}

impl AuditHead {
    /// No record yet.
    #[must_use]
    pub fn empty() -> Self {
        Self { count: 0, head: Digest::of("audit", &[]) }
    }
}

impl AuditRecord {
    /// The head of the chain with this record on top of `previous`.
    #[must_use]
    pub fn chain(&self, previous: Digest) -> Digest {
        let mut out = previous.0.to_vec();
        let mut text = |text: &str| {
            out.extend((text.len() as u64).to_be_bytes());
            out.extend(text.as_bytes());
        };
        text(self.principal.as_str());
        text(self.request_id.as_str());
        text(&self.action);
        text(self.reason.as_deref().unwrap_or_default());
        text(&match self.result {
            Ok(config_version) => config_version.to_string(),
            Err(code) => code.as_str().to_owned(),
        });
        self.objects.iter().for_each(|object| text(&object.to_string()));
        out.extend(self.number.to_be_bytes());
        out.extend(self.index.to_be_bytes());
        out.extend(self.at.as_millis().to_be_bytes());
        out.extend([u8::from(self.reason.is_some()), u8::from(self.replayed)]);
        out.extend(self.command.0);
        Digest::of("audit", &out)
    }
}

/// What is asked, in a few words.
pub(crate) fn action_of(command: &Command) -> String {
    match command {
        Command::Apply(documents) => format!("apply {}", documents.len()),
        Command::Transition(transition) => format!("{} {}", Action::of(&transition.verb).as_str(), transition.release),
        Command::Delete(delete) => format!("delete {}", delete.object),
        Command::Batch(commands) => format!("batch {}", commands.len()),
        Command::Settings(_) => "settings".to_owned(),
        Command::Token(change) if change.grant.is_none() => format!("revoke token {}", change.name),
        Command::Token(change) => format!("grant token {}", change.name),
        Command::Steer(steer) => format!("{} {}", steer.step.as_str(), steer.release),
    }
}

/// The reason that the caller gave, shortened: audit rows are small.
pub(crate) fn reason_of(command: &Command) -> Option<String> {
    match command {
        Command::Transition(transition) => transition.reason.as_ref().map(|reason| reason.chars().take(256).collect()),
        Command::Steer(_)
        | Command::Apply(_)
        | Command::Delete(_)
        | Command::Batch(_)
        | Command::Settings(_)
        | Command::Token(_) => None,
    }
}
