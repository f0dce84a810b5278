//! A node's door for the clients of a run: a tiny protocol of its own over the simulated network, before the calls that
//! the admin and device listeners make in production.

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use tidegate_eligibility::{Request as Check, Snapshot};
use tidegate_gateway::{SnapshotSource, SnapshotView as _};
use tidegate_model::Timestamp;
use tidegate_platform::Io;
use tidegate_proto::types::v1 as types;
use tidegate_server::caller::Caller;
use tidegate_server::refusal::{Door as Refused, Refusal};
use tidegate_server::source::Source;
use tidegate_server::{Context, codec};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::app::{Digest, verdict};
use crate::oracle::Claim;
use crate::script::{self, PRODUCT};
use crate::world::World;

/// Where the door listens.
pub const PORT: u16 = 8000;

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Carry out a command, under a request id.
    Write { request_id: String, command: Vec<u8> },
    /// The state, linearizably.
    Read,
    /// An update check of a device on a release, whose process is stopped for a while between deciding and reading the
    /// clock.
    Check { client: u64, device: u64, release: u64, stopped_ms: u64 },
}

/// What it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The command took effect.
    Done { config_version: u64 },
    /// It was understood and refused.
    Rejected,
    /// Certainly not executed.
    Refused,
    /// Perhaps executed.
    Unknown,
    /// The state.
    State { config_version: u64, catalog: Digest },
    /// The check was answered with this reason, or refused as stale.
    Checked { reason: String },
}

/// What the door of one node needs.
#[derive(Clone)]
pub struct Door {
    pub node: u64,
    pub world: Arc<World>,
    pub context: Arc<Context>,
    pub source: Arc<Source>,
}

/// What a decision comes to, without the snapshot that it borrows from.
struct Heard {
    reason: String,
    offered: Option<String>,
    config_version: u64,
}

impl Door {
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
            Request::Write { request_id, command } => self.write(&request_id, &command).await,
            Request::Read => self.read().await,
            Request::Check { client, device, release, stopped_ms } => self.check(client, device, release, stopped_ms).await,
        }
    }

    async fn write(&self, request_id: &str, command: &[u8]) -> Response {
        let Ok(published) = self.context.published() else { return Response::Refused };
        let caller = Caller::identify(&published.state, None).expect("a run has no tokens");
        let command = types::Command::decode(command).ok().and_then(|command| codec::command_in(command).ok());
        let command = command.expect("both ends of the door are the same program");
        let request = format!("{}/{request_id}", caller.principal);
        match self.context.write(&caller, request_id, command).await {
            Ok(outcome) => {
                self.world.heard(&request, verdict(Ok(&outcome)), Some(outcome.config_version));
                Response::Done { config_version: outcome.config_version }
            }
            Err(Refusal::Rejected(rejection)) => {
                self.world.heard(&request, verdict(Err(&rejection)), None);
                Response::Rejected
            }
            Err(Refusal::Door(Refused::UnknownOutcome { .. })) => {
                self.world.count(|tally| tally.unknown += 1);
                Response::Unknown
            }
            Err(Refusal::Door(_)) => Response::Refused,
        }
    }

    async fn read(&self) -> Response {
        match self.context.read_linearizable().await {
            Ok(published) => {
                let state = &published.state;
                Response::State { config_version: state.config_version(), catalog: state.catalog().digest().0 }
            }
            Err(_) => Response::Refused,
        }
    }

    /// The gateway's order: proof, snapshot, decision, and only then the clock.
    async fn check(&self, client: u64, device: u64, release: u64, stopped_ms: u64) -> Response {
        let max_staleness = self.source.max_staleness();
        for is_second_try in [false, true] {
            if is_second_try {
                self.source.ensure_fresh(max_staleness).await;
            }
            let Some(view) = self.source.current() else { continue };
            let now = self.source.decision_now();
            let heard = self.decide(view.snapshot(), client, device, release, now);
            if stopped_ms > 0 && !is_second_try {
                let goes_on = Instant::now() + Duration::from_millis(stopped_ms);
                tokio::time::interval_at(goes_on, max_staleness).tick().await;
            }
            let Some(staleness) = self.source.staleness(&view).filter(|age| *age <= max_staleness) else { continue };
            let (answered_at, decided_on) = (self.world.now(), heard.config_version);
            let (node, offered) = (self.node, heard.offered);
            self.world.claimed(&Claim { node, answered_at, staleness, max_staleness, decided_on, offered });
            return Response::Checked { reason: heard.reason };
        }
        self.world.count(|tally| tally.stale_checks += 1);
        Response::Checked { reason: String::new() }
    }

    fn decide(&self, snapshot: &Snapshot, client: u64, device: u64, release: u64, now: Timestamp) -> Heard {
        let (cohort, device) = (script::cohort(client), script::device(client, device));
        let (release, attributes) = (script::release(client, release), [("cohort", cohort.as_str())]);
        let request = Check {
            product: PRODUCT,
            device: Some(&device),
            release: Some(&release),
            attributes: &attributes,
            security_epoch: Some(0),
            ..Check::default()
        };
        let decision = tidegate_eligibility::decide(snapshot, &request, now);
        self.source.seen(&request);
        let offered = decision.target.filter(|_| decision.is_offer()).and_then(|target| target.release);
        Heard {
            reason: decision.reason.as_str().to_owned(),
            offered: offered.map(ToString::to_string),
            config_version: decision.config_version,
        }
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

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("both ends of the door are the same program")
}

impl Request {
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Write { request_id, command } => {
                let len = u8::try_from(request_id.len()).expect("request ids of a run are short");
                [&[0, len], request_id.as_bytes(), command].concat()
            }
            Self::Read => vec![1],
            Self::Check { client, device, release, stopped_ms } => {
                let numbers = [client, device, release, stopped_ms].map(|number| number.to_be_bytes());
                [&[2], numbers.as_flattened()].concat()
            }
        }
    }

    fn decode(bytes: &[u8]) -> Self {
        match bytes {
            [0, len, rest @ ..] => {
                let (request_id, command) = rest.split_at(usize::from(*len));
                Self::Write { request_id: text(request_id), command: command.to_vec() }
            }
            [2, rest @ ..] => {
                let [client, device, release, stopped_ms] = [0, 8, 16, 24].map(|at| number(&rest[at..]));
                Self::Check { client, device, release, stopped_ms }
            }
            _ => Self::Read,
        }
    }
}

impl Response {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Done { config_version } => [&[0], config_version.to_be_bytes().as_slice()].concat(),
            Self::Rejected => vec![1],
            Self::Refused => vec![2],
            Self::Unknown => vec![3],
            Self::State { config_version, catalog } => {
                [&[4], config_version.to_be_bytes().as_slice(), catalog.as_slice()].concat()
            }
            Self::Checked { reason } => [&[5], reason.as_bytes()].concat(),
        }
    }

    pub fn decode(bytes: &[u8]) -> Self {
        match bytes {
            [0, rest @ ..] => Self::Done { config_version: number(rest) },
            [1] => Self::Rejected,
            [2] => Self::Refused,
            [4, rest @ ..] => {
                let catalog = *rest[8..].first_chunk().expect("both ends of the door are the same program");
                Self::State { config_version: number(rest), catalog }
            }
            [5, rest @ ..] => Self::Checked { reason: text(rest) },
            _ => Self::Unknown,
        }
    }
}
