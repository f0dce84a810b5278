//! The loop around [`Replica`]: connects, probes, hands over what is new, and comes back after a pause when a stream breaks.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use tidegate_platform::Platform;
use tidegate_proto::edge::v1 as edge;
use tidegate_proto::edge::v1::follow_response::Message;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::batch::Batch;
use crate::freshness::{Asked, Freshness};
use crate::limits::{OPEN_WAIT_MAX, PROBES_MAX, SILENCE_MAX};
use crate::patience::{Ended, Patience, lagging_age};
use crate::replica::{Held, Remedy, Replica, Step};
use crate::stops::Stop;
use crate::upstream::{Broken, Upstreams};

/// Takes what a follower learns. The freshness of it is proven after these calls have returned, not before.
pub trait Sink: Send + 'static {
    /// There is another catalog, unrelated to the one before. May take as long as compiling it takes.
    fn replaced(&mut self, held: &Held) -> impl Future<Output = ()> + Send;

    /// The catalog went on by these batches.
    fn advanced(&mut self, held: &Held, batches: Vec<Batch>);

    /// These are not to be offered any more.
    fn stopped(&mut self, stops: Vec<Stop>);

    /// Something happened that is worth a number or a line.
    fn happened(&mut self, event: Event<'_>);
}

/// What happens to a follower.
#[derive(Debug)]
pub enum Event<'a> {
    /// A stream is open.
    Connected {
        /// The upstream, `host:port`.
        upstream: &'a str,
    },
    /// The stream ended, or none came about.
    Disconnected {
        /// The upstream, `host:port`.
        upstream: &'a str,
        /// Why.
        reason: &'a Broken,
        /// Time until the next attempt.
        pause: Duration,
    },
    /// A probe was answered; whether that proves anything.
    Probed {
        /// It does not if the upstream did not know its own age.
        is_proven: bool,
    },
}

/// A follower of one catalog.
pub struct Following<S> {
    /// Where to follow.
    pub upstreams: Upstreams,
    /// Clock and randomness.
    pub platform: Platform,
    /// What is held, at the start perhaps from an earlier life.
    pub replica: Replica,
    /// What is proven about it.
    pub freshness: Freshness,
    /// Who takes what is new.
    pub sink: S,
    /// Interval of the probes.
    pub probe_interval: Duration,
    /// Age at which what this follower has is of no use any more. An upstream whose content is older than seven tenths of
    /// that is left for another.
    pub max_staleness: Duration,
}

/// What an upstream's answers say about its age.
#[derive(Default)]
struct Ages {
    /// An answer proved something new enough.
    was_proven: bool,
    /// Since when every answer has been too old.
    lagging_since: Option<Instant>,
}

/// One open stream.
struct Session {
    questions: mpsc::Sender<edge::FollowRequest>,
    answers: Streaming<edge::FollowResponse>,
    /// Probes under way, by nonce.
    probes: BTreeMap<u64, Asked>,
    heard_at: Instant,
}

impl<S: Sink> Following<S> {
    /// Follows until `stop` turns true or its sender is gone.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        // Followers that start together spread over the upstreams.
        let mut seat = usize::try_from(self.platform.random.u64() % 64).unwrap_or(0) % self.upstreams.addresses.len();
        let mut patience = Patience::new(self.upstreams.addresses.len());
        loop {
            let mut ages = Ages::default();
            let stay = patience.stay(self.platform.random.u64());
            let ended = tokio::select! {
                biased;
                _ = stop.wait_for(|is_stopping| *is_stopping) => return,
                ended = self.session(seat, stay, &mut ages) => ended,
            };
            self.freshness.unanswered();
            let kind = if matches!(ended, Broken::Lagging { .. }) { Ended::Lagging } else { Ended::Broken };
            let pause = patience.ended(kind, ages.was_proven, self.platform.random.u64());
            let upstream = self.upstreams.addresses[seat].as_str();
            self.sink.happened(Event::Disconnected { upstream, reason: &ended, pause });
            let is_same = matches!(&ended, Broken::Refused(refused) if refused.remedy() == Remedy::Anew);
            if !is_same {
                seat = (seat + 1) % self.upstreams.addresses.len();
            }
            tokio::select! {
                biased;
                _ = stop.wait_for(|is_stopping| *is_stopping) => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One stream, until it breaks, or until the upstream has lagged for `stay` and there is another.
    async fn session(&mut self, seat: usize, stay: Duration, ages: &mut Ages) -> Broken {
        let mut session = match self.open(seat).await {
            Ok(session) => session,
            Err(broken) => return broken,
        };
        let upstream = self.upstreams.addresses[seat].as_str();
        self.sink.happened(Event::Connected { upstream });
        let mut ticks = tokio::time::interval(self.probe_interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let silent_at = session.heard_at + SILENCE_MAX;
            tokio::select! {
                biased;
                message = session.answers.message() => {
                    let message = match message {
                        Ok(Some(message)) => message.message,
                        Ok(None) => return Broken::Ended,
                        Err(status) => return status.into(),
                    };
                    // A kind of message that this build does not know is none of its business.
                    if let Some(message) = message {
                        if let Err(broken) = self.take(&mut session, message, ages).await {
                            return broken;
                        }
                        if self.is_left(ages, stay) {
                            return Broken::Lagging { age_max: lagging_age(self.max_staleness) };
                        }
                    }
                    // After the message is taken in: compiling a large catalog is no silence.
                    session.heard_at = Instant::now();
                }
                _ = ticks.tick() => self.probe(&mut session),
                () = self.freshness.wanted() => self.probe(&mut session),
                () = tokio::time::sleep_until(silent_at) => return Broken::Silent,
            }
        }
    }

    async fn open(&mut self, seat: usize) -> Result<Session, Broken> {
        let mut client = self.upstreams.connect(seat).await?;
        let (questions, receiver) = mpsc::channel(PROBES_MAX + 1);
        let open = edge::FollowRequest { message: Some(edge::follow_request::Message::Open(self.replica.open())) };
        questions.try_send(open).expect("an empty channel has room");
        let opened = client.follow(self.upstreams.dress(ReceiverStream::new(receiver)));
        let opened = tokio::time::timeout(OPEN_WAIT_MAX, opened).await.map_err(|_| Broken::Silent)?;
        Ok(Session { questions, answers: opened?.into_inner(), probes: BTreeMap::new(), heard_at: Instant::now() })
    }

    /// Sends one probe, unless too many are under way. Each has a nonce of its own: a repeated probe is a new probe.
    fn probe(&self, session: &mut Session) {
        if session.probes.len() >= PROBES_MAX {
            return;
        }
        let nonce = self.platform.random.u64();
        // The clock before the question: everything acknowledged before it is part of the answer.
        let asked = self.freshness.asking();
        let probe = edge::FollowRequest { message: Some(edge::follow_request::Message::Probe(edge::FollowProbe { nonce })) };
        if session.questions.try_send(probe).is_ok() {
            session.probes.insert(nonce, asked);
        }
    }

    /// Whether an upstream that says this about its age is left for another.
    fn is_left(&self, ages: &Ages, stay: Duration) -> bool {
        self.upstreams.addresses.len() > 1 && ages.lagging_since.is_some_and(|since| since.elapsed() >= stay)
    }

    /// Takes one message in and hands over what it brought, and notes what an answer says about the upstream's age.
    async fn take(&mut self, session: &mut Session, message: Message, ages: &mut Ages) -> Result<(), Broken> {
        let step = self.replica.take(message)?;
        let held = self.replica.held();
        match (step, held) {
            (Step::Replaced, Some(held)) => self.sink.replaced(held).await,
            (Step::Advanced(batches), Some(held)) => self.sink.advanced(held, batches),
            (Step::Stopped(stops), _) => self.sink.stopped(stops),
            (Step::Answered { nonce, staleness_ms, decision_time_ms, advanced }, Some(held)) => {
                if !advanced.is_empty() {
                    self.sink.advanced(held, advanced);
                }
                // An answer to nothing that was asked on this stream proves nothing.
                let Some(asked) = session.probes.remove(&nonce) else { return Ok(()) };
                let staleness = staleness_ms.map(Duration::from_millis);
                let is_proven = self.freshness.answered(asked, staleness, decision_time_ms);
                self.sink.happened(Event::Probed { is_proven });
                if staleness.is_some_and(|age| age <= lagging_age(self.max_staleness)) {
                    ages.was_proven |= is_proven;
                    ages.lagging_since = None;
                } else {
                    ages.lagging_since.get_or_insert_with(Instant::now);
                }
            }
            (Step::Nothing | Step::Replaced | Step::Advanced(_) | Step::Answered { .. }, _) => {}
        }
        Ok(())
    }
}
