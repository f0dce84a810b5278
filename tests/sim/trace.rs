//! The trace of a run: every packet's bytes, every file operation, every applied entry, folded into one hash.
//!
//! Two runs of one seed are the same run exactly if their traces are. The dump is for finding where two differ.

use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::time::Duration;

use sha2::{Digest, Sha256};

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes handed to the network.
    Sent,
    /// Bytes that arrived.
    Received,
    /// A file operation.
    File,
    /// An entry applied.
    Applied,
    /// A fault injected or healed.
    Fault,
    /// A client's call and its outcome.
    Client,
    /// Leadership as a node sees it.
    Leader,
}

/// Hash chain over all lines, with an optional dump.
pub struct Trace {
    hash: Sha256,
    lines: u64,
    dump: Option<BufWriter<std::fs::File>>,
}

impl Trace {
    pub fn new(dump: Option<std::fs::File>) -> Self {
        Self { hash: Sha256::new(), lines: 0, dump: dump.map(BufWriter::new) }
    }

    /// Adds a line: when, what, who, about what, and the bytes concerned.
    pub fn line(&mut self, at: Duration, kind: Kind, who: &str, text: &str, bytes: &[u8]) {
        self.lines += 1;
        self.hash.update(at.as_nanos().to_le_bytes());
        self.hash.update([kind as u8]);
        for part in [who.as_bytes(), text.as_bytes(), bytes] {
            self.hash.update((part.len() as u64).to_le_bytes());
            self.hash.update(part);
        }
        if let Some(dump) = &mut self.dump {
            let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
                write!(hex, "{byte:02x}").expect("a string takes everything");
                hex
            });
            writeln!(dump, "{:>12} {kind:?} {who} {text} {hex}", at.as_micros()).expect("the dump can be written");
        }
    }

    /// Number of lines, and the hash of all of them.
    pub fn finish(mut self) -> (u64, String) {
        if let Some(dump) = &mut self.dump {
            dump.flush().expect("the dump can be written");
        }
        let hex = self.hash.finalize().iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string takes everything");
            hex
        });
        (self.lines, hex)
    }
}
