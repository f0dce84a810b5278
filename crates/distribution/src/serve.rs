//! The serving end: the catalog for those who decide by themselves, whole or followed.
//!
//! One follower is one task that sends in one order: catalog or changes, then what it was asked. Everything known when a
//! probe arrives is sent before its answer; the age is read before the catalog that it is about.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use tidegate_proto::edge::v1 as edge;
use tidegate_proto::edge::v1::fetch_snapshot_response as fetch;
use tidegate_proto::edge::v1::follow_response::Message;
use tidegate_proto::edge::v1::snapshot_service_server::SnapshotService;
use tidegate_proto::types::v1 as types;
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

use crate::batch::Batch;
use crate::fated::{Fated, FatedSender, fated};
use crate::limits::{FOLLOW_BUFFER_MAX, OPEN_WAIT_MAX, STOP_AHEAD_BYTES};
use crate::origin::{Origin, Present, Refused};
use crate::scope::Scope;
use crate::stops::{self, Stop};
use crate::whole::Whole;

/// `tidegate.edge.v1.SnapshotService` over an origin.
pub struct Snapshots<O>(pub Arc<O>);

impl<O> Clone for Snapshots<O> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[tonic::async_trait]
impl<O: Origin> SnapshotService for Snapshots<O> {
    type FetchSnapshotStream = Fated<edge::FetchSnapshotResponse>;

    async fn fetch_snapshot(
        &self,
        request: Request<edge::FetchSnapshotRequest>,
    ) -> Result<Response<Self::FetchSnapshotStream>, Status> {
        let origin = Arc::clone(&self.0);
        let refuse = |refused| self.0.status(refused);
        let scope = Scope::read(&request.into_inner().products, origin.scope()).map_err(refuse)?;
        let slot = origin.slot().map_err(refuse)?;
        let (present, staleness) = begun(origin.as_ref()).map_err(refuse)?;
        let (sender, stream) = fated(FOLLOW_BUFFER_MAX);
        let task = async move {
            let _slot = slot;
            let whole = Whole::of(origin.cluster_id(), present, &scope).told_at(staleness, origin.decision_time_ms());
            for message in whole {
                let message = match message {
                    Message::Header(header) => fetch::Message::Header(header),
                    Message::Records(records) => fetch::Message::Records(records),
                    Message::Trailer(trailer) => fetch::Message::Trailer(trailer),
                    // A whole catalog consists of nothing else.
                    Message::Delta(_) | Message::ProbeAnswer(_) | Message::StopList(_) => continue,
                };
                if !sender.send(edge::FetchSnapshotResponse { message: Some(message) }).await {
                    return;
                }
            }
        };
        self.0.spawner().spawn("snapshot fetch", Box::pin(task));
        Ok(Response::new(stream))
    }

    type FollowStream = Fated<edge::FollowResponse>;

    async fn follow(&self, request: Request<Streaming<edge::FollowRequest>>) -> Result<Response<Self::FollowStream>, Status> {
        let refuse = |refused| self.0.status(refused);
        let mut asked = request.into_inner();
        let first = tokio::time::timeout(OPEN_WAIT_MAX, asked.message()).await;
        let first = first.map_err(|_| refuse(first_must_open()))??;
        let Some(edge::follow_request::Message::Open(open)) = first.and_then(|request| request.message) else {
            return Err(refuse(first_must_open()));
        };
        let scope = Scope::read(&open.products, self.0.scope()).map_err(refuse)?;
        let slot = self.0.slot().map_err(refuse)?;
        let (sender, stream) = fated(FOLLOW_BUFFER_MAX);
        let origin = Arc::clone(&self.0);
        let task = async move {
            let _slot = slot;
            let told = origin.stops();
            let mut follower = Follower { origin: Arc::clone(&origin), scope, sender, at: 0, epoch: 0, looked: 0, told };
            if let Err(refused) = follower.run(open.have, asked).await {
                follower.sender.end(origin.status(refused));
            }
        };
        self.0.spawner().spawn("follow", Box::pin(task));
        Ok(Response::new(stream))
    }
}

fn first_must_open() -> Refused {
    Refused::Field { field: "message", value: String::new(), rule: "the first one must be `open`".to_owned() }
}

/// Resolves once the value is true, or its sender gone.
async fn is_true(receiver: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which asks for the end as well.
    let _ended = receiver.wait_for(|is_set| *is_set).await.is_ok();
}

/// One follower of the catalog.
struct Follower<O> {
    origin: Arc<O>,
    scope: Scope,
    sender: FatedSender<edge::FollowResponse>,
    epoch: u64,
    /// Everything up to this config version has been sent.
    at: u64,
    /// Stops up to this config version have been sent, as part of changes or ahead of them.
    looked: u64,
    /// What the origin itself was told.
    told: watch::Receiver<Arc<[Stop]>>,
}

impl<O: Origin> Follower<O> {
    async fn run(&mut self, have: Option<edge::Have>, mut asked: Streaming<edge::FollowRequest>) -> Result<(), Refused> {
        // Registered before the base is read: changes after it are all seen, and none twice.
        let mut versions = self.origin.versions();
        let mut closing = self.origin.closing();
        let present = self.origin.present()?;
        self.epoch = present.stamp.epoch;
        self.pass_on_told().await?;
        self.begin(have.and_then(|have| have.stamp), &present).await?;
        loop {
            let (_, config_version) = *versions.borrow_and_update();
            self.changes(config_version).await?;
            tokio::select! {
                biased;
                () = self.sender.closed() => return Ok(()),
                () = is_true(&mut closing) => return Err(Refused::NotReady),
                changed = versions.changed() => changed.map_err(|_| Refused::NotReady)?,
                // The sender goes with its origin, and then the versions end as well.
                changed = self.told.changed() => if changed.is_ok() { self.pass_on_told().await? },
                message = asked.message() => match message.ok().flatten().and_then(|request| request.message) {
                    Some(edge::follow_request::Message::Probe(probe)) => self.answer(probe).await?,
                    // Only the first message opens; an end of the questions is the end of the stream.
                    Some(edge::follow_request::Message::Open(_)) => {
                        let rule = "must come once".to_owned();
                        return Err(Refused::Field { field: "message", value: "open".to_owned(), rule });
                    }
                    None => return Ok(()),
                },
            }
        }
    }

    /// Brings the follower to where changes can go on from.
    async fn begin(&mut self, have: Option<edge::Stamp>, present: &Present) -> Result<(), Refused> {
        let now = present.stamp;
        self.at = now.config_version;
        self.looked = now.config_version;
        let own = have.filter(|have| have.cluster_id[..] == self.origin.cluster_id().to_be_bytes());
        let Some(have) = own else { return self.whole(present).await };
        if (have.epoch, have.config_version) > (now.epoch, now.config_version) {
            return Err(Refused::Behind { epoch: now.epoch, here: now.config_version });
        }
        if have.epoch == now.epoch && self.origin.recent(have.config_version).is_some() {
            self.at = have.config_version;
            self.looked = have.config_version;
            return Ok(());
        }
        // It may be deciding on what it has until all of this has come.
        self.stop(&stops::in_catalog(&present.catalog, now.epoch, now.config_version)).await?;
        self.whole(present).await
    }

    async fn send(&self, message: Message) -> Result<(), Refused> {
        let is_sent = self.sender.send(edge::FollowResponse { message: Some(message) }).await;
        if is_sent { Ok(()) } else { Err(Refused::Gone { from: self.at, floor: self.at }) }
    }

    /// Sends everything. How old it is, probes tell.
    async fn whole(&mut self, present: &Present) -> Result<(), Refused> {
        for message in Whole::of(self.origin.cluster_id(), present.clone(), &self.scope) {
            self.stops_since().await?;
            self.send(message).await?;
        }
        Ok(())
    }

    /// Sends what has changed up to a config version at least, the stops in it first if much lies before them.
    async fn changes(&mut self, until: u64) -> Result<(), Refused> {
        loop {
            let present = self.origin.present()?;
            if present.stamp.epoch != self.epoch {
                return Err(Refused::Gone { from: self.at, floor: present.stamp.config_version });
            }
            if self.at >= until {
                return Ok(());
            }
            let batches = self.origin.since(self.at).await?;
            let Some(last) = batches.last() else { return Ok(()) };
            let last = last.config_version;
            let (mut ready, mut bytes, mut base) = (Vec::new(), 0, self.at);
            let mut rest = batches.iter();
            for batch in rest.by_ref() {
                let delta = self.delta(base, batch, &present);
                base = batch.config_version;
                bytes += delta.encoded_len();
                ready.push(delta);
                if bytes > STOP_AHEAD_BYTES {
                    break;
                }
            }
            if bytes > STOP_AHEAD_BYTES {
                self.stop(&stops::ahead_of(&batches, self.epoch)).await?;
            }
            self.looked = self.looked.max(last);
            for delta in ready {
                self.send(Message::Delta(delta)).await?;
            }
            for batch in rest {
                self.stops_since().await?;
                self.send(Message::Delta(self.delta(base, batch, &present))).await?;
                base = batch.config_version;
            }
            self.at = last;
        }
    }

    fn delta(&self, base: u64, batch: &Batch, present: &Present) -> edge::Delta {
        delta(self.origin.cluster_id(), base, batch, present, &self.scope)
    }

    /// Stops that came about while something long is being sent overtake what is left of it.
    async fn stops_since(&mut self) -> Result<(), Refused> {
        if self.told.has_changed().unwrap_or(false) {
            self.pass_on_told().await?;
        }
        let (epoch, config_version) = *self.origin.versions().borrow();
        if epoch != self.epoch || config_version <= self.looked {
            return Ok(());
        }
        let Some(batches) = self.origin.recent(self.looked) else { return Ok(()) };
        self.looked = batches.last().map_or(self.looked, |batch| batch.config_version);
        self.stop(&stops::ahead_of(&batches, epoch)).await
    }

    async fn pass_on_told(&mut self) -> Result<(), Refused> {
        let told = Arc::clone(&self.told.borrow_and_update());
        self.stop(&told).await
    }

    async fn stop(&self, stops: &[Stop]) -> Result<(), Refused> {
        if stops.is_empty() {
            return Ok(());
        }
        let stops = stops.iter().map(Into::into).collect();
        self.send(Message::StopList(edge::StopList { stops })).await
    }

    /// Everything known when the probe arrived is sent before its answer.
    async fn answer(&mut self, probe: edge::FollowProbe) -> Result<(), Refused> {
        // The proof of age before the catalog that it is about.
        let staleness = self.origin.staleness();
        let known = self.origin.present()?.stamp;
        self.changes(known.config_version).await?;
        let present = self.origin.present()?;
        let is_present = (present.stamp.epoch, present.stamp.config_version) == (self.epoch, self.at);
        let answer = edge::ProbeAnswer {
            nonce: probe.nonce,
            stamp: Some(edge::Stamp {
                epoch: self.epoch,
                config_version: self.at,
                applied_index: known.applied_index,
                cluster_id: cluster_id(self.origin.as_ref()),
            }),
            staleness_ms: staleness.map(crate::freshness::whole_ms_up),
            decision_time_ms: self.origin.decision_time_ms(),
            roots: is_present.then(|| self.scope.roots(&present.roots)),
        };
        self.send(Message::ProbeAnswer(answer)).await
    }
}

/// One batch as a message; `present` is what the origin has now.
pub(crate) fn delta(cluster_id: u128, base: u64, batch: &Batch, present: &Present, scope: &Scope) -> edge::Delta {
    let changes: Vec<types::Change> = scope.changes(batch, &present.catalog).map(Into::into).collect();
    let is_present = present.stamp.config_version == batch.config_version;
    let stamp = edge::Stamp {
        epoch: present.stamp.epoch,
        config_version: batch.config_version,
        applied_index: if is_present { present.stamp.applied_index } else { 0 },
        cluster_id: Bytes::copy_from_slice(&cluster_id.to_be_bytes()),
    };
    let base = edge::Stamp { config_version: base, applied_index: 0, ..stamp.clone() };
    let roots = match batch.roots() {
        Some(roots) => Some(scope.roots(roots)),
        None => is_present.then(|| scope.roots(&present.roots)),
    };
    edge::Delta { base: Some(base), stamp: Some(stamp), changes, roots }
}

/// What there is now, and its age before it was looked at.
fn begun<O: Origin>(origin: &O) -> Result<(Present, Option<Duration>), Refused> {
    // The proof of age before the snapshot that it is about.
    let staleness = origin.staleness();
    Ok((origin.present()?, staleness))
}

fn cluster_id<O: Origin>(origin: &O) -> Bytes {
    Bytes::copy_from_slice(&origin.cluster_id().to_be_bytes())
}
