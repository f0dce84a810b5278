//! Any bytes as what the log holds: as a whole segment, as records whose checksums fit around them, and as the entry
//! inside a record. No panic, no hang; an entry that is accepted is written as it was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_proto::{decode_entry, encode_entry};
use tidegate_store::testing::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    match kind % 4 {
        0 => drop(fuzzing::log_segment(rest)),
        1 => drop(fuzzing::log_records(rest)),
        _ => {
            if let Ok(entry) = decode_entry(0, rest) {
                let again = decode_entry(0, &encode_entry(0, &entry));
                assert_eq!(again.as_ref().ok(), Some(&entry), "what is written reads the same");
            }
        }
    }
});
