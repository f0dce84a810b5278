//! The application of these tests: keeps every entry in order.

use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tidegate_consensus::{Application, Frozen, InstallError};

/// What a node applied and published, seen from outside.
#[derive(Clone, Default)]
pub struct View(Arc<Mutex<Published>>);

#[derive(Default)]
struct Published {
    entries: Vec<(u64, Bytes)>,
    applied_index: u64,
}

impl View {
    pub fn entries(&self) -> Vec<(u64, Bytes)> {
        self.0.lock().unwrap().entries.clone()
    }

    pub fn payloads(&self) -> Vec<Bytes> {
        self.entries().into_iter().map(|(_, payload)| payload).collect()
    }

    pub fn applied_index(&self) -> u64 {
        self.0.lock().unwrap().applied_index
    }
}

pub struct Ledger {
    entries: Vec<(u64, Bytes)>,
    published: usize,
    view: View,
}

impl Ledger {
    pub fn new(view: View) -> Self {
        Self { entries: Vec::new(), published: 0, view }
    }
}

pub struct FrozenLedger(Vec<(u64, Bytes)>);

impl Frozen for FrozenLedger {
    fn write(&self, sink: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        self.0.iter().try_for_each(|(index, payload)| {
            let mut record = index.to_be_bytes().to_vec();
            record.extend_from_slice(payload);
            sink(&record)
        })
    }
}

impl Application for Ledger {
    type Frozen = FrozenLedger;

    fn apply(&mut self, index: u64, payload: &[u8]) -> Bytes {
        self.entries.push((index, Bytes::copy_from_slice(payload)));
        Bytes::from(format!("entry {}", self.entries.len()))
    }

    fn publish(&mut self, applied_index: u64) {
        let mut published = self.view.0.lock().unwrap();
        published.entries.extend_from_slice(&self.entries[self.published..]);
        published.applied_index = applied_index;
        self.published = self.entries.len();
    }

    fn freeze(&self) -> FrozenLedger {
        FrozenLedger(self.entries.clone())
    }

    fn install(&mut self, records: &mut dyn Iterator<Item = io::Result<Vec<u8>>>) -> Result<(), InstallError> {
        let mut entries = Vec::new();
        for (number, record) in (0..).zip(records) {
            let record = record.map_err(InstallError::Read)?;
            let (index, payload) = record
                .split_first_chunk::<8>()
                .ok_or_else(|| InstallError::Record { number, reason: "shorter than an index".to_owned() })?;
            entries.push((u64::from_be_bytes(*index), Bytes::copy_from_slice(payload)));
        }
        self.entries = entries;
        self.published = 0;
        self.view.0.lock().unwrap().entries.clear();
        Ok(())
    }
}
