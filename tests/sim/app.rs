//! The replicated application of a run, as the simulation sees it, and a small one of its own.

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tidegate_consensus::{Application, Frozen, InstallError};

use crate::seams::Dice;

/// Names the state after some entry; equal states have equal digests.
pub type Digest = [u8; 32];

/// An application that can be put through the simulation.
pub trait SimApp: Application {
    /// The empty state.
    fn empty() -> Self;

    /// Digest of the state now. Cheap: asked for after every entry.
    fn digest(&self) -> Digest;

    /// A random command that carries the operation's number, so that a second application of it can be noticed.
    fn command(operation: u64, dice: &Dice) -> Bytes;

    /// The operation that a command carries.
    fn operation_of(payload: &[u8]) -> u64;
}

/// Lists of operation numbers under a few keys, appended to; the digest is a chain over all entries.
#[derive(Clone, Debug)]
pub struct Register {
    lists: BTreeMap<u8, Vec<u64>>,
    chain: Digest,
}

impl SimApp for Register {
    fn empty() -> Self {
        Self { lists: BTreeMap::new(), chain: [0; 32] }
    }

    fn digest(&self) -> Digest {
        self.chain
    }

    fn command(operation: u64, dice: &Dice) -> Bytes {
        let mut command = operation.to_be_bytes().to_vec();
        command.push(u8::try_from(dice.below(5)).expect("five keys"));
        // Payloads of very different sizes meet rotation, byte bounds and split packets.
        let padding = if dice.below(20) == 0 { 20_000 } else { dice.below(200) };
        command.resize(command.len() + usize::try_from(padding).expect("small"), 0xa5);
        command.into()
    }

    fn operation_of(payload: &[u8]) -> u64 {
        let number = payload.first_chunk().expect("commands of this application begin with eight bytes");
        u64::from_be_bytes(*number)
    }
}

impl Application for Register {
    type Frozen = Self;

    fn apply(&mut self, index: u64, payload: &[u8]) -> Bytes {
        let operation = Self::operation_of(payload);
        let list = self.lists.entry(payload[8]).or_default();
        list.push(operation);
        let mut hash = Sha256::new_with_prefix(self.chain);
        hash.update(index.to_be_bytes());
        hash.update(payload);
        self.chain = hash.finalize().into();
        Bytes::copy_from_slice(&(list.len() as u64).to_be_bytes())
    }

    fn publish(&mut self, _applied_index: u64) {}

    fn freeze(&self) -> Self {
        self.clone()
    }

    fn install(&mut self, records: &mut dyn Iterator<Item = io::Result<Vec<u8>>>) -> Result<(), InstallError> {
        let mut installed = Self::empty();
        for (number, record) in (0..).zip(records) {
            let record = record.map_err(InstallError::Read)?;
            let damaged = || InstallError::Record { number, reason: "neither chain nor list".to_owned() };
            match record.split_first().ok_or_else(damaged)? {
                (0, chain) => installed.chain = chain.try_into().map_err(|_| damaged())?,
                (key, list) => {
                    let (numbers, rest) = list.as_chunks::<8>();
                    if !rest.is_empty() {
                        return Err(damaged());
                    }
                    installed.lists.insert(key - 1, numbers.iter().map(|number| u64::from_be_bytes(*number)).collect());
                }
            }
        }
        *self = installed;
        Ok(())
    }
}

impl Frozen for Register {
    fn write(&self, sink: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        sink(&[&[0], self.chain.as_slice()].concat())?;
        self.lists.iter().try_for_each(|(key, list)| {
            let mut record = vec![key + 1];
            list.iter().for_each(|number| record.extend_from_slice(&number.to_be_bytes()));
            sink(&record)
        })
    }
}
