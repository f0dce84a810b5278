//! `tidegate.edge.v1`: the catalog for those who decide by themselves, whole or followed.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use tidegate_model::{Object, ObjectRef, ProductId, canonical};
use tidegate_proto::edge::v1 as edge;
use tidegate_proto::edge::v1::snapshot_service_server::SnapshotService;
use tidegate_proto::types::v1 as types;
use tonic::{Request, Response, Status, Streaming};

use crate::admin::{Chunk, Desk, Fated, FatedSender, Follower, fated, id, whole_ms};
use crate::context::Context;
use crate::limits::{CONFIG_LIST_MAX, WATCH_BUFFER_MAX};
use crate::pages::product_of;
use crate::published::{Batch, Published};
use crate::refusal::Door;

/// The catalog for those who decide by themselves.
#[derive(Clone)]
pub struct Snapshots(pub Desk);

#[tonic::async_trait]
impl SnapshotService for Snapshots {
    type FetchSnapshotStream = Fated<edge::FetchSnapshotResponse>;

    async fn fetch_snapshot(
        &self,
        request: Request<edge::FetchSnapshotRequest>,
    ) -> Result<Response<Self::FetchSnapshotStream>, Status> {
        let scope = Scope::new(&request.into_inner().products)?;
        let context = Arc::clone(&self.0.0);
        let slot = context.watcher_slot()?;
        // The proof of age before the snapshot that it is about.
        let staleness = context.staleness();
        let published = context.published()?;
        let (sender, stream) = fated(4);
        let task = async move {
            let _slot = slot;
            use edge::fetch_snapshot_response::Message;
            let send = |message| sender.send(edge::FetchSnapshotResponse { message: Some(message) });
            let header = header(&context, &published, &scope, staleness.map(whole_ms));
            if !send(Message::Header(header)).await {
                return;
            }
            let mut chunk = Chunk::default();
            for object in scope.objects(&published) {
                if let Some(objects) = chunk.push((&object).into())
                    && !send(Message::Records(edge::SnapshotRecords { objects })).await
                {
                    return;
                }
            }
            let rest = edge::SnapshotRecords { objects: chunk.objects };
            let trailer = edge::SnapshotTrailer { roots: Some(scope.roots(&published)) };
            let _is_read = send(Message::Records(rest)).await && send(Message::Trailer(trailer)).await;
        };
        self.0.0.platform.spawner.spawn("snapshot fetch", Box::pin(task));
        Ok(Response::new(stream))
    }

    type FollowStream = Fated<edge::FollowResponse>;

    async fn follow(&self, request: Request<Streaming<edge::FollowRequest>>) -> Result<Response<Self::FollowStream>, Status> {
        let mut asked = request.into_inner();
        let open = match asked.message().await?.and_then(|request| request.message) {
            Some(edge::follow_request::Message::Open(open)) => open,
            Some(edge::follow_request::Message::Probe(_)) | None => {
                return Err(Door::field("message", "", "the first one must be `open`").into());
            }
        };
        let scope = Scope::new(&open.products)?;
        let context = Arc::clone(&self.0.0);
        let slot = context.watcher_slot()?;
        let (sender, stream) = fated(WATCH_BUFFER_MAX);
        let task = async move {
            let _slot = slot;
            let follow = Follow { context, scope, sender };
            if let Err(door) = follow.run(open.have, asked).await {
                follow.sender.end(door.into());
            }
        };
        self.0.0.platform.spawner.spawn("follow", Box::pin(task));
        Ok(Response::new(stream))
    }
}

/// One follower of the catalog.
struct Follow {
    context: Arc<Context>,
    scope: Scope,
    sender: FatedSender<edge::FollowResponse>,
}

impl Follow {
    async fn run(&self, have: Option<edge::Have>, mut asked: Streaming<edge::FollowRequest>) -> Result<(), Door> {
        // Registered before the base is read: changes after it are all seen, and none twice.
        let published = self.context.published()?;
        let epoch = published.state.epoch();
        let at = published.state.config_version();
        let known = have.and_then(|have| have.stamp).filter(|stamp| {
            let is_here = stamp.epoch == epoch && stamp.cluster_id == cluster_id(&self.context);
            is_here && stamp.config_version <= at && self.context.shelf.recent_since(stamp.config_version).is_some()
        });
        let mut follower = Follower { context: Arc::clone(&self.context), epoch, at };
        match known {
            Some(stamp) => follower.at = stamp.config_version,
            None => self.whole(&published).await?,
        }
        loop {
            let base = follower.at;
            tokio::select! {
                biased;
                () = self.sender.sender.closed() => return Ok(()),
                batches = follower.next() => self.deltas(base, &batches?, epoch).await?,
                message = asked.message() => match message.ok().flatten().and_then(|request| request.message) {
                    Some(edge::follow_request::Message::Probe(probe)) => self.probe(probe, &mut follower).await?,
                    // Only the first message opens; an end of the questions is the end of the stream.
                    Some(edge::follow_request::Message::Open(_)) => {
                        return Err(Door::field("message", "open", "must come once"));
                    }
                    None => return Ok(()),
                },
            }
        }
    }

    async fn send(&self, message: edge::follow_response::Message) -> Result<(), Door> {
        let is_sent = self.sender.send(edge::FollowResponse { message: Some(message) }).await;
        let floor = self.context.shelf.load().state.config_version();
        if is_sent { Ok(()) } else { Err(Door::Compacted { from: floor, floor }) }
    }

    async fn whole(&self, published: &Published) -> Result<(), Door> {
        use edge::follow_response::Message;
        let staleness = self.context.staleness().map(whole_ms);
        self.send(Message::Header(header(&self.context, published, &self.scope, staleness))).await?;
        let mut chunk = Chunk::default();
        let objects: Vec<Object> = self.scope.objects(published).collect();
        for object in &objects {
            if let Some(objects) = chunk.push(object.into()) {
                self.send(Message::Records(edge::SnapshotRecords { objects })).await?;
            }
        }
        self.send(Message::Records(edge::SnapshotRecords { objects: chunk.objects })).await?;
        self.send(Message::Trailer(edge::SnapshotTrailer { roots: Some(self.scope.roots(published)) })).await
    }

    async fn deltas(&self, mut base: u64, batches: &[Batch], epoch: u64) -> Result<(), Door> {
        for batch in batches {
            self.delta(base, batch, epoch).await?;
            base = batch.config_version;
        }
        Ok(())
    }

    async fn delta(&self, base: u64, batch: &Batch, epoch: u64) -> Result<(), Door> {
        let published = self.context.shelf.load();
        let changes: Vec<types::Change> =
            batch.changes.iter().filter(|change| self.scope.has(&published, &change.reference())).map(Into::into).collect();
        // The root is known only for what is published now; a delta on the way there carries none.
        let is_present = published.state.config_version() == batch.config_version;
        let stamp = edge::Stamp {
            epoch,
            config_version: batch.config_version,
            applied_index: if is_present { published.state.applied_index() } else { 0 },
            cluster_id: cluster_id(&self.context),
        };
        let roots = is_present.then(|| self.scope.roots(&published));
        let base = edge::Stamp { config_version: base, applied_index: 0, ..stamp.clone() };
        let delta = edge::Delta { base: Some(base), stamp: Some(stamp), changes, roots };
        self.send(edge::follow_response::Message::Delta(delta)).await
    }

    /// Everything known when the probe arrived is sent before its answer.
    async fn probe(&self, probe: edge::FollowProbe, follower: &mut Follower) -> Result<(), Door> {
        let staleness = self.context.staleness();
        let published = self.context.published()?;
        while follower.at < published.state.config_version() {
            let base = follower.at;
            let batches = follower.next().await?;
            self.deltas(base, &batches, follower.epoch).await?;
        }
        let answer = edge::ProbeAnswer {
            nonce: probe.nonce,
            stamp: Some(stamp(&self.context, &published)),
            staleness_ms: staleness.map(whole_ms),
            decision_time_ms: decision_time_ms(&self.context),
        };
        self.send(edge::follow_response::Message::ProbeAnswer(answer)).await
    }
}

/// Which products are followed; none named: everything.
struct Scope(BTreeSet<ProductId>);

impl Scope {
    fn new(products: &[String]) -> Result<Self, Door> {
        if products.len() > CONFIG_LIST_MAX {
            let rule = format!("must name <= {CONFIG_LIST_MAX} products");
            return Err(Door::field("products", products.len().to_string(), rule));
        }
        products.iter().map(|text| id("products", text, ProductId::new)).collect::<Result<_, _>>().map(Self)
    }

    /// Objects without a product concern all of them; so does one whose product is no longer known.
    fn has(&self, published: &Published, reference: &ObjectRef) -> bool {
        let product = product_of(published.state.catalog(), reference);
        self.0.is_empty() || product.is_none_or(|product| self.0.contains(&product))
    }

    fn objects<'p>(&'p self, published: &'p Published) -> impl Iterator<Item = Object> + Send + 'p {
        let objects = published.state.catalog().objects();
        let chosen: Vec<Object> = objects.filter(|object| self.has(published, &object.reference())).collect();
        chosen.into_iter()
    }

    fn roots(&self, published: &Published) -> edge::Roots {
        let catalog = published.state.catalog();
        let root = |product: Option<&ProductId>| edge::ProductRoot {
            product: product.map(ToString::to_string),
            root: Bytes::copy_from_slice(&catalog.product_root(product).0),
        };
        let products: Vec<&ProductId> =
            if self.0.is_empty() { catalog.products().keys().collect() } else { self.0.iter().collect() };
        let digest = if self.0.is_empty() { Bytes::copy_from_slice(&catalog.digest().0) } else { Bytes::new() };
        let roots = std::iter::once(root(None)).chain(products.into_iter().map(|product| root(Some(product))));
        edge::Roots { digest, products: roots.collect() }
    }
}

fn header(context: &Context, published: &Published, scope: &Scope, staleness_ms: Option<u64>) -> edge::SnapshotHeader {
    edge::SnapshotHeader {
        stamp: Some(stamp(context, published)),
        schema: canonical::SCHEMA,
        objects: scope.objects(published).count() as u64,
        staleness_ms,
        decision_time_ms: decision_time_ms(context),
    }
}

fn stamp(context: &Context, published: &Published) -> edge::Stamp {
    edge::Stamp {
        epoch: published.state.epoch(),
        config_version: published.state.config_version(),
        applied_index: published.state.applied_index(),
        cluster_id: cluster_id(context),
    }
}

fn cluster_id(context: &Context) -> Bytes {
    Bytes::copy_from_slice(&context.config.cluster_id.to_be_bytes())
}

fn decision_time_ms(context: &Context) -> i64 {
    let wall = context.platform.clock.wall_ms();
    context.handle().map_or(wall, |handle| handle.freshness().decision_wall_ms())
}
