//! A node's disk that a test can fill, and writes that use it up.

use std::path::{Path, PathBuf};

use tidegate_client::{Client, Error, Run};
use tidegate_manifest::Source;
use tidegate_model::Document;

/// A small file system in memory, gone with this value.
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounted at `folder`; `None` if this user may not mount anything.
    #[must_use]
    pub fn mount(folder: &Path, mib: u32) -> Option<Self> {
        std::fs::create_dir_all(folder).expect("the test's folder can be written");
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tidegate-test"]).arg(folder);
        let is_mounted = mount.stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success());
        is_mounted.then(|| Self { folder: folder.to_owned() })
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Takes all room that is left.
    pub fn fill(&self) {
        use std::io::Write as _;
        let mut file = std::fs::File::create(self.ballast()).expect("the disk is there");
        for size in [1 << 20, 1 << 12] {
            let zeros = vec![0; size];
            while file.write_all(&zeros).is_ok() {}
        }
    }

    /// Gives the room back.
    pub fn empty(&self) {
        std::fs::remove_file(self.ballast()).expect("the ballast is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a node may still be about to close its files.
        std::process::Command::new("umount").arg("-l").arg(&self.folder).status().ok();
    }
}

/// Drafts whose notes use up log space; each number makes others.
pub fn large(number: u32) -> Vec<Document> {
    let notes = "n".repeat(4_000);
    let draft = |part: u32| {
        format!(
            "{{kind: bundle, id: x{number}-{part}, product: app, version: 2.{number}.{part}}}\n---\n{{kind: release, \
             id: x{number}-{part}, product: app, cohort: stable, bundle: x{number}-{part}, version: 2.{number}.{part}, \
             notes: {notes}}}\n---\n"
        )
    };
    let source = Source { name: "test".to_owned(), text: (0..12).map(draft).collect() };
    tidegate_manifest::parse(&[source]).expect("a manifest").into_iter().map(|located| located.value).collect()
}

/// Writes until the disk is said to be low; returns how many writes went through.
pub async fn until_low(client: &Client) -> u32 {
    for number in 0..2_000 {
        match client.apply(&large(number), &client.request_id(), Run::Commit).await {
            Ok(_) => {}
            Err(Error::Refused(refusal)) => {
                assert_eq!(refusal.code, "DISK_LOW", "{refusal}");
                return number;
            }
            Err(error) => panic!("write {number}: {error}"),
        }
    }
    panic!("the disk never filled up");
}
