//! Cluster-wide settings, API tokens, and who may do what.

use tidegate_model::{Command, Digest, Principal, Role};

/// Cluster-wide settings. Per-process ones live in each node's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Compare-and-set number: starts at 1, +1 per change.
    pub version: u64,
    /// Versions of one object that the history keeps.
    pub history_versions_max: u32,
    /// Records that the audit keeps.
    pub audit_records_max: u64,
    /// Feature level: the newest kind of command that may be proposed. Never goes down.
    pub cluster_version: u32,
}

impl Settings {
    /// What a new cluster starts with.
    #[must_use]
    pub const fn initial() -> Self {
        Self { version: 1, history_versions_max: 100, audit_records_max: 1_000_000, cluster_version: 1 }
    }
}

/// An API token as it is stored: never the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of the secret.
    pub hash: Digest,
    /// What its bearer may do.
    pub role: Role,
    /// Generation of the credentials at which it was created or replaced. Callers that were let in earlier are refused.
    pub auth_epoch: u64,
    /// +1 each time that it is replaced.
    pub version: u64,
}

/// The principal of the controller, which runs on the leader. It bears no token and may do what operators may.
pub const CONTROLLER: &str = "controller";
/// The principal of callers without a token, while the cluster has none.
pub const ANONYMOUS: &str = "anonymous";

/// True for names that no token may have: they stand for callers without one.
pub(crate) fn is_reserved(name: &Principal) -> bool {
    [CONTROLLER, ANONYMOUS].contains(&name.as_str())
}

/// True if the command, or a part of it, is for the controller alone.
pub(crate) fn is_for_the_controller(command: &Command) -> bool {
    match command {
        Command::Steer(_) => true,
        Command::Batch(commands) => commands.iter().any(|command| matches!(command, Command::Steer(_))),
        Command::Apply(_) | Command::Transition(_) | Command::Delete(_) | Command::Settings(_) | Command::Token(_) => false,
    }
}

/// The least role that may give this command. A batch needs what its most demanding part needs: the effect is judged, not
/// the way in which it was asked for.
#[must_use]
pub fn role_needed(command: &Command) -> Role {
    match command {
        Command::Apply(_) | Command::Transition(_) | Command::Delete(_) | Command::Steer(_) => Role::Operate,
        Command::Settings(_) | Command::Token(_) => Role::Admin,
        // A batch inside a batch is refused later; one level is enough to judge.
        Command::Batch(commands) => commands
            .iter()
            .map(|command| match command {
                Command::Apply(_) | Command::Transition(_) | Command::Delete(_) | Command::Batch(_) | Command::Steer(_) => {
                    Role::Operate
                }
                Command::Settings(_) | Command::Token(_) => Role::Admin,
            })
            .max()
            .unwrap_or(Role::Operate),
    }
}
