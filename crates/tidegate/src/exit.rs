//! How a command ends: the exit codes that scripts hold on to.

use std::fmt;
use std::process::ExitCode;

use tidegate_client::Error as ClientError;
use tidegate_manifest::ManifestError;

use crate::settings::SettingsError;

/// Why a command failed; decides the exit code.
#[derive(Debug)]
pub enum Failure {
    /// The server refused it (1).
    Refused(String),
    /// Wrong usage: bad flags, files or manifests (2).
    Usage(String),
    /// The cluster could not be reached (3).
    Unreachable(String),
    /// The write may have happened (4).
    Unknown(String),
    /// Something here failed: a file, a port, a child process (1).
    Local(anyhow::Error),
}

/// Result of a command.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// Wrong usage, in words.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::Usage(message.to_string())
    }

    /// The exit code.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Refused(_) | Self::Local(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::Unknown(_) => 4,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(text) | Self::Usage(text) | Self::Unreachable(text) | Self::Unknown(text) => f.write_str(text),
            Self::Local(error) => write!(f, "{error:#}"),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match &error {
            ClientError::Refused(refusal) => Self::Refused(format!("{refusal}\n  see docs/reference/errors/{}.md", refusal.code)),
            ClientError::Unreachable(_) => Self::Unreachable(format!("UNREACHABLE: {error}")),
            ClientError::UnknownOutcome { request_id: Some(id), detail } => Self::Unknown(format!(
                "UNKNOWN_OUTCOME: {detail}\n  it may have happened; repeat it with --request-id {id} to learn its outcome"
            )),
            ClientError::UnknownOutcome { request_id: None, detail } => Self::Unknown(format!(
                "UNKNOWN_OUTCOME: {detail}\n  it may have happened; `tidegate cluster status` shows what became of it"
            )),
            ClientError::Answer(_) => Self::Local(anyhow::anyhow!("{error}")),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Local(error)
    }
}

impl From<Vec<ManifestError>> for Failure {
    fn from(errors: Vec<ManifestError>) -> Self {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Self::Usage(format!("INVALID_OBJECT: nothing was applied\n{}", lines.join("\n")))
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::File(error) => Self::Usage(format!("{error:#}")),
            SettingsError::Problems(problems) => {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                Self::Usage(lines.join("\n"))
            }
        }
    }
}
