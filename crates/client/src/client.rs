//! The handle, and the loop that every call goes through.
//!
//! A call goes to the endpoint that answered last and moves on when that one fails. What may be repeated is decided
//! here and nowhere else: reads always; writes because each carries a request id under which the cluster answers the
//! same result again. If in the end nobody can say whether a write happened, the caller is told so, with the id.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tidegate_model::RequestId;
use tidegate_platform::{Clock, Network, Platform, Random};
use tokio::time::Instant;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::error::{Attempt, Error, Verdict, is_settling, judge};
use crate::limits;
use crate::options::Options;
use crate::pool::Pool;

/// A cluster as its callers see it: any node takes any call. Cheap to clone; all clones share connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Pool,
    options: Options,
    network: Arc<dyn Network>,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
}

/// Whether a call changes anything, which decides what a lost answer means.
#[derive(Clone, Copy)]
pub(crate) enum Kind<'a> {
    Read,
    /// A write under this request id: may be sent again.
    Write(&'a RequestId),
    /// A change of the cluster itself, which carries no request id: never sent again once it may have arrived.
    Once,
}

/// What is known after some attempts of one call.
struct Progress<'a> {
    kind: Kind<'a>,
    failures: Vec<Attempt>,
    /// Set once an attempt of a write may have taken effect unseen.
    doubt: Option<String>,
}

impl Client {
    /// A client for `options`. Nothing is connected yet. `network` must speak TLS if the endpoints ask for it.
    #[must_use]
    pub fn new(options: Options, platform: &Platform, network: Arc<dyn Network>) -> Self {
        let inner = Inner {
            pool: Pool::new(Arc::clone(&network), &options.endpoints),
            options,
            network,
            random: Arc::clone(&platform.random),
            clock: Arc::clone(&platform.clock),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The options that this client was made with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// A client of the same process for other options, with connections of its own.
    #[must_use]
    pub fn with_options(&self, options: Options) -> Self {
        let inner = Inner {
            pool: Pool::new(Arc::clone(&self.inner.network), &options.endpoints),
            options,
            network: Arc::clone(&self.inner.network),
            random: Arc::clone(&self.inner.random),
            clock: Arc::clone(&self.inner.clock),
        };
        Self { inner: Arc::new(inner) }
    }

    /// A fresh request id: 128 random bits.
    #[must_use]
    pub fn request_id(&self) -> RequestId {
        let text = format!("c{:016x}{:016x}", self.inner.random.u64(), self.inner.random.u64());
        RequestId::new(&text).expect("a letter and hexadecimal digits make an id")
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    pub(crate) fn random(&self) -> &dyn Random {
        self.inner.random.as_ref()
    }

    /// Makes one call: `send` is tried until there is an answer, a definite refusal, or no time left.
    pub(crate) async fn call<Q, A, F, W>(&self, kind: Kind<'_>, message: &Q, send: F) -> Result<A, Error>
    where
        Q: Clone,
        F: Fn(Channel, Request<Q>) -> W,
        W: Future<Output = Result<Response<A>, Status>>,
    {
        let deadline = Instant::now() + self.inner.options.deadline;
        let mut progress = Progress { kind, failures: Vec::new(), doubt: None };
        let mut pause = limits::PAUSE_FIRST;
        for _ in 0..limits::ROUNDS_MAX {
            let first = self.inner.pool.preferred();
            for step in 0..self.inner.pool.len() {
                let seat = (first + step) % self.inner.pool.len();
                if Instant::now() >= deadline {
                    return Err(progress.give_up());
                }
                if let Some(done) = self.attempt(seat, deadline, message, &send, &mut progress).await {
                    return done;
                }
            }
            let wait = jittered(pause, self.random().u64());
            if Instant::now() + wait >= deadline {
                break;
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(limits::PAUSE_MAX);
        }
        Err(progress.give_up())
    }

    /// One attempt at one endpoint; `None`: go on elsewhere.
    async fn attempt<Q, A, F, W>(
        &self,
        seat: usize,
        deadline: Instant,
        message: &Q,
        send: &F,
        progress: &mut Progress<'_>,
    ) -> Option<Result<A, Error>>
    where
        Q: Clone,
        F: Fn(Channel, Request<Q>) -> W,
        W: Future<Output = Result<Response<A>, Status>>,
    {
        let pool = &self.inner.pool;
        let failed = |reason| Attempt { endpoint: pool.endpoint(seat).to_string(), reason };
        let channel = match tokio::time::timeout_at(deadline, pool.channel(seat)).await {
            Ok(Ok(channel)) => channel,
            Ok(Err(reason)) => {
                progress.failures.push(failed(reason));
                return None;
            }
            Err(_) => {
                progress.failures.push(failed("no connection in time".to_owned()));
                return None;
            }
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let wait = match progress.kind {
            Kind::Read | Kind::Write(_) => left.min(limits::ATTEMPT_WAIT_MAX),
            Kind::Once => left,
        };
        let sent = send(channel, self.dressed(message.clone(), wait));
        match tokio::time::timeout(wait, sent).await {
            Ok(Ok(response)) => {
                pool.prefer(seat);
                Some(Ok(response.into_inner()))
            }
            Ok(Err(status)) => match judge(&status) {
                Verdict::Refused(refusal) if progress.doubt.is_some() && !is_settling(&refusal) => Some(Err(progress.give_up())),
                Verdict::Refused(refusal) => {
                    pool.prefer(seat);
                    Some(Err(Error::Refused(refusal)))
                }
                Verdict::Later(reason) => {
                    progress.failures.push(failed(reason));
                    None
                }
                Verdict::Unknown(reason) => {
                    pool.forget(seat);
                    progress.lost(failed(reason))
                }
            },
            Err(_) => {
                pool.forget(seat);
                progress.lost(failed(format!("no answer within {wait:?}")))
            }
        }
    }

    /// Opens a stream on the first endpoint that gives one. Tries each endpoint once: whoever reads the stream decides
    /// when to come back.
    pub(crate) async fn open<Q, A, F, W>(&self, message: &Q, send: F) -> Result<A, Error>
    where
        Q: Clone,
        F: Fn(Channel, Request<Q>) -> W,
        W: Future<Output = Result<Response<A>, Status>>,
    {
        let deadline = Instant::now() + self.inner.options.deadline;
        let mut progress = Progress { kind: Kind::Read, failures: Vec::new(), doubt: None };
        // The server must not end the stream at the deadline of the call that opened it.
        let send = |channel, mut request: Request<Q>| {
            request.metadata_mut().remove("grpc-timeout");
            send(channel, request)
        };
        let first = self.inner.pool.preferred();
        for step in 0..self.inner.pool.len() {
            let seat = (first + step) % self.inner.pool.len();
            if let Some(done) = self.attempt(seat, deadline, message, &send, &mut progress).await {
                return done;
            }
        }
        Err(progress.give_up())
    }

    /// Moves on from the endpoint that served last, for streams that broke off.
    pub(crate) fn avoid_preferred(&self) {
        let pool = &self.inner.pool;
        let seat = pool.preferred();
        pool.forget(seat);
        pool.prefer((seat + 1) % pool.len());
    }

    /// What a stream that broke off means for its reader: nothing was changed by it.
    pub(crate) fn broken(&self, status: &Status) -> Error {
        match judge(status) {
            Verdict::Refused(refusal) => Error::Refused(refusal),
            Verdict::Later(reason) | Verdict::Unknown(reason) => {
                let endpoint = self.inner.pool.endpoint(self.inner.pool.preferred()).to_string();
                Error::Unreachable(vec![Attempt { endpoint, reason }])
            }
        }
    }

    fn dressed<Q>(&self, message: Q, wait: Duration) -> Request<Q> {
        let mut request = Request::new(message);
        request.set_timeout(wait);
        if let Some(token) = &self.inner.options.token {
            request.metadata_mut().insert("authorization", token.header());
        }
        request
    }
}

impl Progress<'_> {
    /// Takes note of an attempt whose fate nobody knows; `None`: it may be repeated.
    fn lost<A>(&mut self, attempt: Attempt) -> Option<Result<A, Error>> {
        if !matches!(self.kind, Kind::Read) {
            self.doubt = Some(format!("{}: {}", attempt.endpoint, attempt.reason));
        }
        self.failures.push(attempt);
        matches!(self.kind, Kind::Once).then(|| Err(self.give_up()))
    }

    fn give_up(&mut self) -> Error {
        match (self.kind, self.doubt.take()) {
            (Kind::Write(request_id), Some(detail)) => Error::UnknownOutcome { request_id: Some(request_id.clone()), detail },
            (Kind::Once, Some(detail)) => Error::UnknownOutcome { request_id: None, detail },
            _ => Error::Unreachable(std::mem::take(&mut self.failures)), // A read, or nothing was ever sent.
        }
    }
}

/// Full jitter: anything from nothing to `pause`.
pub(crate) fn jittered(pause: Duration, random: u64) -> Duration {
    let nanos = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(u64::try_from((u128::from(nanos) * u128::from(random)) >> 64).unwrap_or(0))
}
