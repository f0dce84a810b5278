//! A node's door for the clients of a run: a tiny protocol of its own over the simulated network, and the stand-in for
//! the gateway that answers update checks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tidegate_consensus::{Handle, Priority, ProposeError};
use tidegate_platform::Io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::app::Digest;
use crate::oracle::Claim;
use crate::world::World;

/// Where the door listens.
pub const PORT: u16 = 8000;

/// Longest time that a node spends on one request.
const REQUEST_MAX: Duration = Duration::from_millis(2_500);

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Replicate a command.
    Propose(Bytes),
    /// The state, linearizably.
    Read,
    /// An update check whose process is stopped for a while between deciding and reading the clock.
    Check { stopped_ms: u64 },
}

/// What it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The command is committed at this index.
    Committed { index: u64 },
    /// Certainly not executed; perhaps another node leads.
    Refused { leader: Option<u64> },
    /// Perhaps executed.
    Unknown,
    /// The state at an index.
    State { applied_index: u64, digest: Digest },
    /// The check was answered, or refused as stale.
    Checked { is_answered: bool },
}

/// What readers of a node see: the state that was published last.
#[derive(Clone, Debug, Default)]
pub struct View(Arc<Mutex<(u64, Digest)>>);

impl View {
    pub fn publish(&self, applied_index: u64, digest: Digest) {
        *self.0.lock().expect("no panic happens under this lock") = (applied_index, digest);
    }

    pub fn load(&self) -> (u64, Digest) {
        *self.0.lock().expect("no panic happens under this lock")
    }
}

/// What the door of one node needs.
#[derive(Clone)]
pub struct Door<F> {
    pub node: u64,
    pub world: Arc<World>,
    pub handle: Handle,
    pub view: View,
    pub operation_of: F,
}

impl<F: Fn(&[u8]) -> u64 + Clone + Send + Sync + 'static> Door<F> {
    /// Serves one connection until it ends.
    pub async fn serve(self, mut io: Box<dyn Io>) {
        while let Ok(request) = receive(&mut io).await {
            let response = self.answer(request).await;
            if send(&mut io, &response.encode()).await.is_err() {
                return;
            }
        }
    }

    async fn answer(&self, request: Vec<u8>) -> Response {
        match Request::decode(&request) {
            Request::Propose(command) => self.propose(command).await,
            Request::Read => self.read().await,
            Request::Check { stopped_ms } => self.check(stopped_ms).await,
        }
    }

    async fn propose(&self, command: Bytes) -> Response {
        let operation = (self.operation_of)(&command);
        match self.handle.propose(command, Priority::Ordinary, Instant::now() + REQUEST_MAX).await {
            Ok(proposed) => {
                self.world.acknowledged(operation, proposed.index);
                Response::Committed { index: proposed.index }
            }
            Err(ProposeError::UnknownOutcome) => {
                self.world.count(|tally| tally.unknown += 1);
                Response::Unknown
            }
            Err(ProposeError::NotLeader { leader }) => Response::Refused { leader },
            Err(
                ProposeError::TooLarge { .. }
                | ProposeError::Busy { .. }
                | ProposeError::DiskLow
                | ProposeError::ClockSkewed { .. }
                | ProposeError::Stopped,
            ) => Response::Refused { leader: None },
        }
    }

    async fn read(&self) -> Response {
        match self.handle.read_index(Instant::now() + REQUEST_MAX).await {
            Ok(_) => {
                let (applied_index, digest) = self.view.load();
                Response::State { applied_index, digest }
            }
            Err(_) => Response::Refused { leader: None },
        }
    }

    /// The gateway's order: proof, snapshot, decision, and only then the clock.
    async fn check(&self, stopped_ms: u64) -> Response {
        let freshness = self.handle.freshness();
        let max_staleness = freshness.max_staleness();
        for is_second_try in [false, true] {
            if is_second_try && freshness.ensure_fresh(max_staleness).await.is_err() {
                break;
            }
            let Some(proof) = freshness.fresh() else { continue };
            let (decided_on, _) = self.view.load();
            if stopped_ms > 0 && !is_second_try {
                let goes_on = Instant::now() + Duration::from_millis(stopped_ms);
                tokio::time::interval_at(goes_on, REQUEST_MAX).tick().await;
            }
            let Some(staleness) = freshness.staleness(&proof).filter(|age| *age <= max_staleness) else { continue };
            let answered_at = self.world.now();
            self.world.claimed(&Claim { node: self.node, answered_at, staleness, max_staleness, decided_on });
            return Response::Checked { is_answered: true };
        }
        self.world.count(|tally| tally.stale_checks += 1);
        Response::Checked { is_answered: false }
    }
}

/// Sends one frame.
pub async fn send(io: &mut Box<dyn Io>, body: &[u8]) -> std::io::Result<()> {
    let len = u32::try_from(body.len()).expect("frames of a run are small");
    io.write_all(&[&len.to_be_bytes(), body].concat()).await?;
    io.flush().await
}

/// Receives one frame.
pub async fn receive(io: &mut Box<dyn Io>) -> std::io::Result<Vec<u8>> {
    let len = io.read_u32().await?;
    let mut body = vec![0; len as usize];
    io.read_exact(&mut body).await?;
    Ok(body)
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(*bytes.first_chunk().expect("both ends of the door are the same program"))
}

impl Request {
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Propose(command) => [&[0], command.as_ref()].concat(),
            Self::Read => vec![1],
            Self::Check { stopped_ms } => [&[2], stopped_ms.to_be_bytes().as_slice()].concat(),
        }
    }

    fn decode(bytes: &[u8]) -> Self {
        match bytes.split_first() {
            Some((0, command)) => Self::Propose(Bytes::copy_from_slice(command)),
            Some((2, stopped)) => Self::Check { stopped_ms: number(stopped) },
            _ => Self::Read,
        }
    }
}

impl Response {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Committed { index } => [&[0], index.to_be_bytes().as_slice()].concat(),
            Self::Refused { leader } => [&[1], leader.unwrap_or(0).to_be_bytes().as_slice()].concat(),
            Self::Unknown => vec![2],
            Self::State { applied_index, digest } => [&[3], applied_index.to_be_bytes().as_slice(), digest].concat(),
            Self::Checked { is_answered } => vec![4, u8::from(*is_answered)],
        }
    }

    pub fn decode(bytes: &[u8]) -> Self {
        match bytes.split_first() {
            Some((0, index)) => Self::Committed { index: number(index) },
            Some((1, leader)) => Self::Refused { leader: Some(number(leader)).filter(|leader| *leader != 0) },
            Some((3, state)) => {
                let digest = *state[8..].first_chunk().expect("both ends of the door are the same program");
                Self::State { applied_index: number(state), digest }
            }
            Some((4, answered)) => Self::Checked { is_answered: answered == [1] },
            _ => Self::Unknown,
        }
    }
}
