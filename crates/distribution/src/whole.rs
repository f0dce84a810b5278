//! A whole catalog as messages: header, records of bounded size, trailer. On the wire and on an edge's disk alike.

use std::iter::Peekable;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use tidegate_model::{Object, canonical};
use tidegate_proto::edge::v1 as edge;
use tidegate_proto::edge::v1::follow_response::Message;
use tidegate_proto::types::v1 as types;

use crate::freshness::whole_ms_up;
use crate::limits::{STREAM_BYTES_MAX, STREAM_OBJECTS_MAX};
use crate::origin::Present;
use crate::scope::Scope;

/// The messages, in order. Objects are listed once, which costs a pointer each, and turned into messages when they are
/// asked for.
pub struct Whole {
    header: Option<edge::SnapshotHeader>,
    objects: Peekable<std::vec::IntoIter<Object>>,
    trailer: Option<edge::SnapshotTrailer>,
}

impl Whole {
    /// What `scope` has of the catalog.
    #[must_use]
    pub fn of(cluster_id: u128, present: Present, scope: &Scope) -> Self {
        let objects: Vec<Object> = scope.objects(&present.catalog).collect();
        let stamp = edge::Stamp {
            epoch: present.stamp.epoch,
            config_version: present.stamp.config_version,
            applied_index: present.stamp.applied_index,
            cluster_id: Bytes::copy_from_slice(&cluster_id.to_be_bytes()),
        };
        let header = edge::SnapshotHeader {
            stamp: Some(stamp),
            schema: canonical::SCHEMA,
            objects: objects.len() as u64,
            staleness_ms: None,
            decision_time_ms: 0,
        };
        let trailer = edge::SnapshotTrailer { roots: Some(scope.roots(&present.roots)) };
        Self { header: Some(header), objects: objects.into_iter().peekable(), trailer: Some(trailer) }
    }

    /// With the sender's own age, read before the catalog was, and its decision time.
    #[must_use]
    pub fn told_at(mut self, staleness: Option<Duration>, decision_time_ms: i64) -> Self {
        if let Some(header) = &mut self.header {
            header.staleness_ms = staleness.map(whole_ms_up);
            header.decision_time_ms = decision_time_ms;
        }
        self
    }

    fn records(&mut self) -> Option<edge::SnapshotRecords> {
        let mut objects: Vec<types::Object> = Vec::new();
        let mut bytes = 0;
        while objects.len() < STREAM_OBJECTS_MAX {
            let Some(object) = self.objects.peek().map(types::Object::from) else { break };
            let size = object.encoded_len();
            if bytes + size > STREAM_BYTES_MAX && !objects.is_empty() {
                break;
            }
            bytes += size;
            objects.push(object);
            self.objects.next();
        }
        (!objects.is_empty()).then_some(edge::SnapshotRecords { objects })
    }
}

impl Iterator for Whole {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        if let Some(header) = self.header.take() {
            return Some(Message::Header(header));
        }
        self.records().map(Message::Records).or_else(|| self.trailer.take().map(Message::Trailer))
    }
}
