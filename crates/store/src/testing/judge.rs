//! What must hold of a store that comes back, whatever ended its last life.
//!
//! A log must stand as after some prefix of the operations submitted, cut between two records, and the prefix must reach
//! the last one acknowledged. (A saved committed index is acknowledged with the promise to be durable with the next
//! operation, so it alone moves nothing.) The newest snapshot must be whole, must be at least the one acknowledged last,
//! and must cover everything that was purged.

use bytes::Bytes;

use super::model::Model;
use crate::fault::Fault;
use crate::log::{LogId, LogStore, Op};
use crate::snapshot::{SnapshotHeader, Snapshots};

/// Where `log` stands, given where it stood at `start` and the operations submitted since, of which the first `promised`
/// were acknowledged as durable. Says what is wrong if it can stand nowhere.
pub fn log(start: &Model, ops: &[Op], promised: usize, log: &dyn LogStore) -> Result<Model, String> {
    let mut model = start.clone();
    ops[..promised].iter().for_each(|op| model.apply(op));
    let expected = model.clone();
    if model.equals(log) {
        return Ok(model);
    }
    for op in &ops[promised..] {
        let parts = match op {
            Op::Append(records) => records.iter().map(|record| Op::Append(vec![record.clone()])).collect(),
            other => vec![other.clone()],
        };
        for part in parts {
            model.apply(&part);
            if model.equals(log) {
                return Ok(model);
            }
        }
    }
    let difference = expected.compare(log).err().unwrap_or_default();
    let count = ops.len();
    Err(format!("what was acknowledged is not there, or what was not is ({promised} of {count} promised): {difference}"))
}

/// Says what is wrong with the snapshots, given the newest acknowledged and up to where the log is purged.
pub fn snapshots(snapshots: &Snapshots, acknowledged: Option<LogId>, purged: Option<LogId>) -> Result<(), String> {
    let latest = snapshots.latest();
    let index = |id: Option<LogId>| id.map(|id| id.index);
    let found = latest.as_ref().and_then(|meta| index(meta.last));
    if found < index(acknowledged) {
        return Err(format!("snapshot {:?} was acknowledged, the newest is {found:?}", index(acknowledged)));
    }
    if found < index(purged) {
        return Err(format!("the log is purged up to {:?}, the newest snapshot is {found:?}", index(purged)));
    }
    let Some((meta, last)) = latest.and_then(|meta| meta.last.map(|last| (meta, last))) else { return Ok(()) };
    let reader = snapshots.read(&meta).map_err(|fault| format!("the newest snapshot does not open: {fault}"))?;
    if *reader.header() != header_of(last) {
        return Err(format!("the header of the newest snapshot is {:?}", reader.header()));
    }
    let records: Result<Vec<_>, Fault> = reader.collect();
    let records = records.map_err(|fault| format!("the newest snapshot is damaged: {fault}"))?;
    if !records.into_iter().eq(snapshot_records(last)) {
        return Err("the records of the newest snapshot are others".to_owned());
    }
    Ok(())
}

/// The records of the snapshot at `last`.
fn snapshot_records(last: LogId) -> impl Iterator<Item = Vec<u8>> {
    let count = 1 + last.index % 7;
    (0..count).map(move |record| {
        let len = usize::try_from((last.index * 31 + record * 977) % 3_000).expect("small");
        (0..len).map(|at| u8::try_from((at as u64 + last.term + record) % 251).expect("below 251")).collect()
    })
}

fn header_of(last: LogId) -> SnapshotHeader {
    SnapshotHeader { epoch: 1, last: Some(last), membership: Bytes::from(format!("members at {last}")) }
}

/// Builds the snapshot that belongs to `last`, the same whoever builds it.
pub fn build_snapshot(snapshots: &Snapshots, last: LogId) -> Result<(), Fault> {
    let mut writer = snapshots.begin(&header_of(last))?;
    for record in snapshot_records(last) {
        writer.record(&record)?;
    }
    writer.finish().map(drop)
}
