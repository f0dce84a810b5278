//! Any bytes as a backup file, and any records in a whole one: no panic, no hang; what was written is read back, and no
//! changed byte goes unnoticed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_store::testing::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    if kind % 2 == 0 {
        drop(fuzzing::backup(rest));
        return;
    }
    // Which byte to change and how, then records, each with a byte of length before it.
    let Some(([low, high, change], mut rest)) = rest.split_first_chunk::<3>() else { return };
    let mut records = Vec::new();
    while let Some((len, after)) = rest.split_first() {
        let (record, after) = after.split_at(usize::from(*len).min(after.len()));
        records.push(record.to_vec());
        rest = after;
    }
    let mut whole = fuzzing::backup_of(&fuzzing::backup_header(), &records).expect("records of at most 255 bytes");
    let (_, read) = fuzzing::backup(&whole).expect("it was written just now");
    assert_eq!(read, records);
    let at = usize::from(u16::from_le_bytes([*low, *high])) % whole.len();
    whole[at] ^= change;
    assert_eq!(fuzzing::backup(&whole).is_ok(), *change == 0, "byte {at} changed by {change:#x}");
});
