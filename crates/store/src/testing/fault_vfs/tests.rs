//! The model loses what real disks may lose, and nothing that was synced.

use std::path::Path;

use super::*;

fn with_folder() -> FaultVfs {
    let vfs = FaultVfs::new();
    vfs.create_dir_all(Path::new("/d")).unwrap();
    vfs.sync_dir(Path::new("/")).unwrap();
    vfs
}

fn content(vfs: &FaultVfs, path: &str) -> Option<Vec<u8>> {
    let file = vfs.open(Path::new(path), OpenMode::Read).ok()?;
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(0, &mut bytes).unwrap();
    Some(bytes)
}

#[test]
fn synced_bytes_under_synced_names_survive_every_power_loss() {
    for seed in 0..200 {
        let vfs = with_folder();
        let file = vfs.open(Path::new("/d/f"), OpenMode::CreateNew).unwrap();
        file.write_at(0, &[7; 3_000]).unwrap();
        file.sync_data().unwrap();
        vfs.sync_dir(Path::new("/d")).unwrap();
        file.write_at(1_000, &[8; 10_000]).unwrap();
        let after = content(&vfs.crash(seed), "/d/f").unwrap();
        assert_eq!(after[..1_000], [7; 1_000], "seed {seed}: written once, synced");
        assert!(after.len() >= 3_000 && after.iter().all(|byte| [0, 7, 8].contains(byte)));
    }
}

#[test]
fn unsynced_bytes_and_names_survive_sometimes_and_in_parts() {
    let (mut lost_names, mut kept_names, mut torn) = (0, 0, 0);
    for seed in 0..300 {
        let vfs = with_folder();
        let file = vfs.open(Path::new("/d/f"), OpenMode::CreateNew).unwrap();
        file.write_at(0, &[1; 8_192]).unwrap();
        match content(&vfs.crash(seed), "/d/f") {
            None => lost_names += 1,
            Some(bytes) => {
                kept_names += 1;
                torn += usize::from(bytes.contains(&0) && bytes.contains(&1));
            }
        }
    }
    assert!(lost_names > 50 && kept_names > 50 && torn > 10, "{lost_names} {kept_names} {torn}");
}

#[test]
fn a_rename_happens_at_once_or_not_at_all() {
    for seed in 0..200 {
        let vfs = with_folder();
        let file = vfs.open(Path::new("/d/a"), OpenMode::CreateNew).unwrap();
        file.sync_data().unwrap();
        vfs.sync_dir(Path::new("/d")).unwrap();
        vfs.rename(Path::new("/d/a"), Path::new("/d/b")).unwrap();
        let names = vfs.crash(seed).read_dir(Path::new("/d")).unwrap();
        assert!(names == ["a"] || names == ["b"], "seed {seed}: {names:?}");
    }
}

#[test]
fn the_same_seed_leaves_the_same_bytes() {
    let after = |seed| {
        let vfs = with_folder();
        let file = vfs.open(Path::new("/d/f"), OpenMode::CreateNew).unwrap();
        vfs.sync_dir(Path::new("/d")).unwrap();
        file.write_at(0, &[1; 50_000]).unwrap();
        content(&vfs.crash(seed), "/d/f")
    };
    assert_eq!(after(5), after(5));
    assert!((0..20).any(|seed| after(seed) != after(5)));
}

#[test]
fn a_killed_process_leaves_everything_and_nothing_more_durable() {
    let vfs = with_folder();
    let file = vfs.open(Path::new("/d/f"), OpenMode::CreateNew).unwrap();
    file.write_at(0, b"x").unwrap();
    let next = vfs.kill();
    assert!(file.write_at(0, b"y").is_err(), "the old process is gone");
    assert_eq!(content(&next, "/d/f").unwrap(), b"x");
    assert!((0..50).any(|seed| content(&next.kill().crash(seed), "/d/f").is_none()));
}

#[test]
fn power_ends_at_the_chosen_operation() {
    let vfs = with_folder();
    let file = vfs.open(Path::new("/d/f"), OpenMode::CreateNew).unwrap();
    vfs.cut_power_after(2);
    file.write_at(0, b"x").unwrap();
    assert!(file.sync_data().is_err());
    assert!(vfs.is_off());
    assert!(file.len().is_err());
}

#[test]
fn bytes_under_a_failed_sync_stay_lost_until_they_are_written_again() {
    let is_lost = |is_written_again: bool, seed| {
        let vfs = with_folder();
        let file = vfs.open(Path::new("/d/f"), OpenMode::CreateNew).unwrap();
        vfs.sync_dir(Path::new("/d")).unwrap();
        file.write_at(0, &[1; 512]).unwrap();
        vfs.fail_sync_after(1);
        assert!(file.sync_data().is_err());
        if is_written_again {
            file.write_at(0, &[1; 512]).unwrap();
        }
        file.sync_data().unwrap();
        content(&vfs.crash(seed), "/d/f").unwrap() != [1; 512]
    };
    assert!((0..50).any(|seed| is_lost(false, seed)), "a second sync that succeeds proves nothing");
    assert!(!(0..50).any(|seed| is_lost(true, seed)));
}

#[test]
fn a_full_disk_says_so_and_removing_makes_room() {
    let vfs = with_folder();
    vfs.set_capacity(Some(10_000));
    let file = vfs.open(Path::new("/d/f"), OpenMode::CreateNew).unwrap();
    file.allocate(8_000).unwrap();
    let other = vfs.open(Path::new("/d/g"), OpenMode::CreateNew).unwrap();
    assert_eq!(other.allocate(8_000).unwrap_err().kind(), io::ErrorKind::StorageFull);
    file.write_at(0, &[1; 8_000]).unwrap();
    vfs.remove_file(Path::new("/d/f")).unwrap();
    other.allocate(8_000).unwrap();
    assert_eq!(vfs.used(), 8_000);
}

#[test]
fn the_trace_sees_every_operation() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let vfs = with_folder().traced(Arc::new(move |op| sink.lock().unwrap().push(op.clone())));
    let file = vfs.open(Path::new("/d/f"), OpenMode::CreateNew).unwrap();
    file.write_at(3, b"abc").unwrap();
    file.sync_data().unwrap();
    let seen = seen.lock().unwrap();
    let calls: Vec<_> = seen.iter().map(|op| op.call).collect();
    assert_eq!(calls, ["open", "write_at", "sync_data"]);
    assert_eq!((seen[1].offset, seen[1].len, seen[1].digest), (3, 3, crc32c::crc32c(b"abc")));
}
