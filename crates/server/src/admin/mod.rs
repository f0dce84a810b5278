//! The services of `tidegate.admin.v1`, one file per area, over the operations of this file.
//!
//! A service turns messages into commands and references and back; everything else happens in `write`, `read` and
//! `pages`. Callers have passed the [`door`](crate::door) before they come here.

mod apply;
mod audit;
mod check;
mod cluster;
mod fleet;
mod objects;
mod rollout;
mod watch;

pub use objects::{Bundles, Cohorts, Devices, Exclusions, Holds, Overrides, Products, Releases};
pub use rollout::Rollouts;

use std::sync::Arc;

use tidegate_model::{Command, Delete, Document, ObjectRef, Spec};
use tidegate_proto::types::v1 as types;
use tonic::Status;

use crate::caller::Caller;
use crate::codec;
use crate::context::Context;
use crate::refusal::Door;

pub use apply::Applies;
pub use audit::Audits;
pub use cluster::Clusters;
pub use watch::Watches;

/// What a put has done.
pub(crate) struct Put {
    pub(crate) version: u64,
    pub(crate) config_version: u64,
    pub(crate) effect: i32,
    pub(crate) warnings: Vec<types::Warning>,
}

/// The node, as services hold it.
#[derive(Clone)]
pub struct Desk(pub(crate) Arc<Context>);

impl Desk {
    /// Services of this node.
    #[must_use]
    pub fn new(context: Arc<Context>) -> Self {
        Self(context)
    }

    /// Creates or changes one object.
    pub(crate) async fn put(
        &self,
        caller: &Caller,
        spec: types::document::Spec,
        expected_version: Option<u64>,
        request_id: &str,
    ) -> Result<Put, Status> {
        let document = types::Document { expected_version, spec: Some(spec) };
        let documents = codec::documents_in(vec![document])?;
        let reference = documents.first().and_then(|document| reference_of(document, caller));
        let outcome = self.0.write(caller, request_id, Command::Apply(documents)).await?;
        let reference = reference.as_ref().map(codec::reference_out);
        let own = outcome.objects.iter().find(|object| object.object == reference).or(outcome.objects.first());
        Ok(Put {
            version: own.map_or(0, |object| object.version),
            config_version: outcome.config_version,
            effect: own.map_or(0, |object| object.effect),
            warnings: outcome.warnings,
        })
    }

    /// Reads one object.
    pub(crate) async fn get(&self, reference: ObjectRef, consistency: i32) -> Result<(types::Object, u64), Status> {
        let published = self.0.read(consistency).await?;
        let Some(object) = published.state.catalog().get(&reference) else {
            return Err(Door::NotFound(reference.to_string(), Some(Box::new(codec::reference_out(&reference)))).into());
        };
        Ok((codec::object_out(&object), published.state.config_version()))
    }

    /// Removes one object.
    pub(crate) async fn delete(
        &self,
        caller: &Caller,
        object: ObjectRef,
        expected_version: Option<u64>,
        request_id: &str,
    ) -> Result<(u64, Vec<types::Warning>), Status> {
        let command = Command::Delete(Delete { object, expected_version });
        let outcome = self.0.write(caller, request_id, command).await?;
        Ok((outcome.config_version, outcome.warnings))
    }
}

/// What the document describes; an attestation without author is the caller's.
fn reference_of(document: &Document, caller: &Caller) -> Option<ObjectRef> {
    Some(match &document.spec {
        Spec::Product(o) => ObjectRef::Product(o.id.clone()),
        Spec::Cohort(o) => ObjectRef::Cohort(o.product.clone(), o.id.clone()),
        Spec::Bundle(o) => ObjectRef::Bundle(o.id.clone()),
        Spec::Release(o) => ObjectRef::Release(o.id.clone()),
        Spec::Policy(o) => ObjectRef::Policy(o.release.clone()),
        Spec::Device(o) => ObjectRef::Device(o.product.clone(), o.key.clone()),
        Spec::Hold(o) => ObjectRef::Hold(o.id.clone()),
        Spec::Override(o) => ObjectRef::Override(o.id.clone()),
        Spec::Exclusion(o) => ObjectRef::Exclusion(o.id.clone()),
        Spec::Attestation(o) => {
            let by = o.by.clone().unwrap_or_else(|| caller.principal.clone());
            ObjectRef::Attestation(o.bundle.clone(), o.kind.clone(), by)
        }
    })
}

/// Reads an id of a request.
pub(crate) fn id<T>(field: &str, text: &str, new: impl FnOnce(&str) -> Result<T, tidegate_model::Invalid>) -> Result<T, Door> {
    new(text).map_err(|invalid| Door::field(field, invalid.value, invalid.rule))
}

/// The message in a field that has to be set.
pub(crate) fn must<T>(field: &str, value: Option<T>) -> Result<T, Door> {
    value.ok_or_else(|| Door::field(field, "", "must be set"))
}
