//! What a follower believes: messages in, a verified catalog out. No I/O, no clock.
//!
//! The invariant: [`Replica::held`] is a catalog that hashes to what an upstream said it must hash to at its stamp, and
//! stamps never go back. A message that does not fit is refused whole, and so is the stream that it came on; what is held
//! stays what it was. [`Refused::remedy`] says how to go on.

use std::sync::Arc;

use tidegate_eligibility::Stamp;
use tidegate_model::{Catalog, CatalogChange, Object, canonical};
use tidegate_proto::edge::v1 as edge;
use tidegate_proto::edge::v1::follow_response::Message;

use crate::batch::Batch;
use crate::limits::{SNAPSHOT_OBJECTS_MAX, STOPS_MAX, UNVOUCHED_CHANGES_MAX};
use crate::origin::Present;
use crate::roots::Roots;
use crate::scope::Scope;
use crate::stops::Stop;

/// A verified catalog. A clone shares everything.
#[derive(Clone)]
pub struct Held {
    /// The cluster that it is of.
    pub cluster_id: u128,
    /// Which state it is.
    pub stamp: Stamp,
    /// Its objects.
    pub catalog: Catalog,
    /// What they hash to.
    pub roots: Roots,
}

impl Held {
    /// The same, as an origin gives it.
    #[must_use]
    pub fn present(&self) -> Present {
        Present { stamp: self.stamp, catalog: self.catalog.clone(), roots: self.roots.clone() }
    }
}

/// What came of one message.
#[derive(Debug)]
pub enum Step {
    /// Nothing to act on yet, or nothing new.
    Nothing,
    /// [`Replica::held`] is another catalog: compile it from nothing.
    Replaced,
    /// [`Replica::held`] went on by these batches.
    Advanced(Vec<Batch>),
    /// These are not to be offered any more.
    Stopped(Vec<Stop>),
    /// A probe is answered, and what came before the answer is held; these batches with it, if there are any.
    Answered {
        /// The probe's nonce.
        nonce: u64,
        /// The upstream's own age, if it knows it.
        staleness_ms: Option<u64>,
        /// The upstream's decision time.
        decision_time_ms: i64,
        /// Batches that the answer vouched for.
        advanced: Vec<Batch>,
    },
}

/// How to go on after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Ask again, from nothing: what is held cannot be brought forward.
    Anew,
    /// Ask another upstream: this one is not to be believed, or not now.
    Elsewhere,
}

/// Why a message is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is of another cluster.
    #[error("the upstream is of cluster {theirs:032x}, must be of {ours:032x}")]
    OtherCluster {
        /// What is held, or was followed before.
        ours: u128,
        /// What came.
        theirs: u128,
    },
    /// It would go back.
    #[error("config version {theirs} of epoch {epoch} must not be older than {ours} of epoch {our_epoch}, which is held")]
    Older {
        /// What came.
        theirs: u64,
        /// Its epoch.
        epoch: u64,
        /// What is held.
        ours: u64,
        /// Its epoch.
        our_epoch: u64,
    },
    /// The same stamp with other content.
    #[error("the content at config version {config_version} differs from the content held at the same config version")]
    Differs {
        /// The config version of both.
        config_version: u64,
    },
    /// A change of something that is not held.
    #[error("a change from config version {base} on must be of {held}, which is held")]
    MissingBase {
        /// Where it starts.
        base: u64,
        /// What is held; 0: nothing.
        held: u64,
    },
    /// The content does not hash to what was said with it.
    #[error("the content at config version {config_version} does not hash to the roots named")]
    Unvouched {
        /// The config version.
        config_version: u64,
    },
    /// This build hashes otherwise.
    #[error("roots are of canonical encoding {theirs}, this build knows {ours}")]
    Schema {
        /// What came.
        theirs: u32,
        /// What is known.
        ours: u32,
    },
    /// The message breaks the order or a bound of the protocol, or holds something that this build cannot read.
    #[error("{what}")]
    Malformed {
        /// What is wrong.
        what: String,
    },
}

impl Refused {
    /// How to go on.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::MissingBase { .. } | Self::Unvouched { .. } => Remedy::Anew,
            Self::OtherCluster { .. }
            | Self::Older { .. }
            | Self::Differs { .. }
            | Self::Schema { .. }
            | Self::Malformed { .. } => Remedy::Elsewhere,
        }
    }

    fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed { what: what.into() }
    }
}

/// A snapshot of which not everything has come.
struct Whole {
    stamp: Stamp,
    announced: u64,
    count: u64,
    catalog: Catalog,
}

/// Changes taken in that no message with roots has vouched for yet.
struct Ahead {
    held: Held,
    changes: usize,
    batches: Vec<Batch>,
}

/// One follower's copy.
pub struct Replica {
    scope: Scope,
    /// Set by the first stamp, or from outside, and the same ever after.
    cluster_id: Option<u128>,
    held: Option<Held>,
    whole: Option<Whole>,
    ahead: Option<Ahead>,
    /// Whether the next stream is to begin from nothing.
    asks_anew: bool,
}

impl Replica {
    /// A copy that has nothing yet; with `cluster_id`, of no other cluster.
    #[must_use]
    pub fn new(scope: Scope, cluster_id: Option<u128>) -> Self {
        Self { scope, cluster_id, held: None, whole: None, ahead: None, asks_anew: false }
    }

    /// The verified catalog, if there is one.
    #[must_use]
    pub fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// Which products it is of.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What to open a stream with. Whatever an earlier stream left half done is forgotten.
    #[must_use]
    pub fn open(&mut self) -> edge::FollowOpen {
        (self.whole, self.ahead) = (None, None);
        let held = self.held.as_ref().filter(|_| !self.asks_anew);
        let have = held.map(|held| edge::Have { stamp: Some(wire(held)), roots: Some(self.scope.roots(&held.roots)) });
        edge::FollowOpen { products: self.scope.names(), have }
    }

    /// Takes one message in.
    ///
    /// # Errors
    /// See [`Refused`]; what is held is as before, and the stream must not be read on.
    pub fn take(&mut self, message: Message) -> Result<Step, Refused> {
        let step = self.judge(message);
        if let Err(refused) = &step {
            (self.whole, self.ahead) = (None, None);
            self.asks_anew = refused.remedy() == Remedy::Anew;
        }
        step
    }

    fn judge(&mut self, message: Message) -> Result<Step, Refused> {
        match message {
            Message::Header(header) => self.begin(header),
            Message::Records(records) => self.records(records),
            Message::Trailer(trailer) => self.finish(trailer),
            Message::Delta(delta) => self.delta(delta),
            Message::ProbeAnswer(answer) => self.answer(answer),
            Message::StopList(list) => Ok(Step::Stopped(list.stops.into_iter().filter_map(Stop::read).take(STOPS_MAX).collect())),
        }
    }

    fn begin(&mut self, header: edge::SnapshotHeader) -> Result<Step, Refused> {
        if self.whole.is_some() || self.ahead.is_some() {
            return Err(Refused::malformed("a snapshot must not begin within another one or within changes"));
        }
        let stamp = self.stamp(header.stamp)?;
        if header.schema != canonical::SCHEMA {
            return Err(Refused::Schema { theirs: header.schema, ours: canonical::SCHEMA });
        }
        if header.objects > SNAPSHOT_OBJECTS_MAX {
            return Err(Refused::malformed(format!("{} objects must be <= {SNAPSHOT_OBJECTS_MAX}", header.objects)));
        }
        if let Some(held) = self.held.as_ref().filter(|held| order(held.stamp) > order(stamp)) {
            let (ours, our_epoch) = (held.stamp.config_version, held.stamp.epoch);
            return Err(Refused::Older { theirs: stamp.config_version, epoch: stamp.epoch, ours, our_epoch });
        }
        self.whole = Some(Whole { stamp, announced: header.objects, count: 0, catalog: Catalog::default() });
        Ok(Step::Nothing)
    }

    fn records(&mut self, records: edge::SnapshotRecords) -> Result<Step, Refused> {
        let whole = self.whole.as_mut().ok_or_else(|| Refused::malformed("records must come after a header"))?;
        whole.count += records.objects.len() as u64;
        if whole.count > whole.announced {
            return Err(Refused::malformed(format!("{} objects must be <= the {} announced", whole.count, whole.announced)));
        }
        for object in records.objects {
            let object = Object::try_from(object).map_err(|malformed| Refused::malformed(malformed.to_string()))?;
            whole.catalog.apply(&CatalogChange::Put(object));
        }
        Ok(Step::Nothing)
    }

    fn finish(&mut self, trailer: edge::SnapshotTrailer) -> Result<Step, Refused> {
        let whole = self.whole.take().ok_or_else(|| Refused::malformed("a trailer must come after a header"))?;
        if whole.count != whole.announced {
            return Err(Refused::malformed(format!("{} objects must be the {} announced", whole.count, whole.announced)));
        }
        let roots = Roots::of(&whole.catalog);
        let config_version = whole.stamp.config_version;
        if !trailer.roots.is_some_and(|told| self.scope.is_vouched(&roots, &told)) {
            return Err(Refused::Unvouched { config_version });
        }
        let cluster_id = self.cluster_id.ok_or_else(|| Refused::malformed("a snapshot must name its cluster"))?;
        self.asks_anew = false;
        if let Some(held) = self.held.as_ref().filter(|held| order(held.stamp) == order(whole.stamp)) {
            let is_same = held.roots.digest() == roots.digest();
            return if is_same { Ok(Step::Nothing) } else { Err(Refused::Differs { config_version }) };
        }
        self.held = Some(Held { cluster_id, stamp: whole.stamp, catalog: whole.catalog, roots });
        Ok(Step::Replaced)
    }

    fn delta(&mut self, delta: edge::Delta) -> Result<Step, Refused> {
        if self.whole.is_some() {
            return Err(Refused::malformed("a change must not come within a snapshot"));
        }
        let (base, stamp) = (self.stamp(delta.base)?, self.stamp(delta.stamp)?);
        let current = self.ahead.as_ref().map(|ahead| &ahead.held).or(self.held.as_ref());
        let missing = |held| Refused::MissingBase { base: base.config_version, held };
        let current = current.ok_or_else(|| missing(0))?;
        if order(current.stamp) != order(base) {
            return Err(missing(current.stamp.config_version));
        }
        if stamp.epoch != base.epoch || stamp.config_version <= base.config_version {
            return Err(Refused::malformed("a change must lead forward within its epoch"));
        }
        let changes: Vec<CatalogChange> = delta
            .changes
            .into_iter()
            .map(CatalogChange::try_from)
            .collect::<Result<_, _>>()
            .map_err(|malformed| Refused::malformed(malformed.to_string()))?;
        let mut catalog = current.catalog.clone();
        for change in &changes {
            catalog.apply(change);
        }
        let count = changes.len();
        let changes = Arc::from(changes);
        let (batch, roots) = Batch::between(stamp.config_version, &current.catalog, &catalog, &current.roots, changes);
        let next = Held { cluster_id: current.cluster_id, stamp, catalog, roots };
        let mut ahead = self.ahead.take().unwrap_or_else(|| Ahead { held: next.clone(), changes: 0, batches: Vec::new() });
        ahead.held = next;
        ahead.changes += count;
        ahead.batches.push(batch);
        if ahead.changes.max(ahead.batches.len()) > UNVOUCHED_CHANGES_MAX {
            return Err(Refused::Unvouched { config_version: stamp.config_version });
        }
        self.ahead = Some(ahead);
        match delta.roots {
            Some(told) => self.vouch(&told).map(Step::Advanced),
            None => Ok(Step::Nothing),
        }
    }

    /// What is ahead becomes what is held, if it is what it has to be.
    fn vouch(&mut self, told: &edge::Roots) -> Result<Vec<Batch>, Refused> {
        let Some(ahead) = self.ahead.take() else { return Ok(Vec::new()) };
        if !self.scope.is_vouched(&ahead.held.roots, told) {
            return Err(Refused::Unvouched { config_version: ahead.held.stamp.config_version });
        }
        self.held = Some(ahead.held);
        Ok(ahead.batches)
    }

    fn answer(&mut self, answer: edge::ProbeAnswer) -> Result<Step, Refused> {
        if self.whole.is_some() {
            return Err(Refused::malformed("an answer must not come within a snapshot"));
        }
        let stamp = self.stamp(answer.stamp)?;
        let current = self.ahead.as_ref().map(|ahead| &ahead.held).or(self.held.as_ref());
        let at = current.map(|held| held.stamp).unwrap_or_default();
        if order(at) != order(stamp) {
            return Err(Refused::MissingBase { base: stamp.config_version, held: at.config_version });
        }
        let advanced = match (&answer.roots, &self.ahead, &self.held) {
            (Some(told), Some(_), _) => self.vouch(told)?,
            (Some(told), None, Some(held)) if !self.scope.is_vouched(&held.roots, told) => {
                return Err(Refused::Differs { config_version: stamp.config_version });
            }
            // Nothing vouches for what came before this answer: it proves nothing.
            (None, Some(_), _) => return Ok(Step::Nothing),
            (Some(_) | None, None, _) => Vec::new(),
        };
        let (staleness_ms, decision_time_ms) = (answer.staleness_ms, answer.decision_time_ms);
        Ok(Step::Answered { nonce: answer.nonce, staleness_ms, decision_time_ms, advanced })
    }

    /// Reads a stamp; the first one says which cluster is followed.
    fn stamp(&mut self, stamp: Option<edge::Stamp>) -> Result<Stamp, Refused> {
        let stamp = stamp.ok_or_else(|| Refused::malformed("a stamp must be set"))?;
        let theirs = <[u8; 16]>::try_from(&stamp.cluster_id[..]).map(u128::from_be_bytes);
        let theirs = theirs.map_err(|_| Refused::malformed("a cluster id must have 16 bytes"))?;
        let ours = *self.cluster_id.get_or_insert(theirs);
        if ours != theirs {
            return Err(Refused::OtherCluster { ours, theirs });
        }
        Ok(Stamp { config_version: stamp.config_version, epoch: stamp.epoch, applied_index: stamp.applied_index })
    }
}

/// Stamps compare by this.
fn order(stamp: Stamp) -> (u64, u64) {
    (stamp.epoch, stamp.config_version)
}

fn wire(held: &Held) -> edge::Stamp {
    edge::Stamp {
        epoch: held.stamp.epoch,
        config_version: held.stamp.config_version,
        applied_index: held.stamp.applied_index,
        cluster_id: bytes::Bytes::copy_from_slice(&held.cluster_id.to_be_bytes()),
    }
}

#[cfg(test)]
mod tests;
