//! Any bytes as a snapshot file, and as the records inside one. No panic, no hang.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_proto::RecordReader;
use tidegate_store::testing::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    if kind % 2 == 0 {
        drop(fuzzing::snapshot(rest));
        return;
    }
    // Records, each with two bytes of length before it.
    let (mut reader, mut rest) = (RecordReader::new(), rest);
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (record, after) = after.split_at(usize::from(u16::from_le_bytes(*length)).min(after.len()));
        if reader.read(record).is_err() {
            return;
        }
        rest = after;
    }
    drop(reader.finish());
});
