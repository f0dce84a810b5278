//! `cluster backup`: fetching a backup into a file, and reading one.

use std::path::Path;
use std::time::{Duration, Instant};

use tidegate_client::Client;
use tidegate_platform::{Platform, causes};
use tidegate_server::backup::{self, BackupFile};

use crate::cli::Output;
use crate::exit::{Failure, Outcome};
use crate::output::{map, note, number, print, text};
use crate::time;

/// Pause between two lines about how far it is.
const PROGRESS: Duration = Duration::from_secs(1);

/// Fetches a backup. The file gets its name once it is whole, synced and read back.
pub async fn backup(client: &Client, output: Output, path: &Path) -> Outcome {
    let files = Platform::system().vfs;
    let mut file = BackupFile::begin(files, path).map_err(|fault| Failure::Local(fault.into()))?;
    let mut stream = client.cluster_backup().await?;
    let mut told = Instant::now();
    while let Some(chunk) = stream.next().await? {
        file.write(&chunk).map_err(|fault| Failure::Local(fault.into()))?;
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            note(format!("{} KiB", file.written() / 1024));
        }
    }
    note(format!("{} KiB, reading them back", file.written() / 1024));
    file.finish().map_err(|fault| unreadable(&fault.into()))?;
    verify(output, path)
}

/// Reads a backup to its end and says what is in it.
pub fn verify(output: Output, path: &Path) -> Outcome {
    let (header, state) = backup::read(&*Platform::system().vfs, path).map_err(|error| unreadable(&error))?;
    let value = map([
        ("file", text(path.display().to_string())),
        ("cluster_id", text(header.cluster.to_string())),
        ("epoch", number(Some(header.epoch))),
        ("config_version", number(Some(header.config_version))),
        ("applied_index", number(Some(header.applied_index))),
        ("taken_at", time::instant(i64::try_from(header.taken_at_ms).unwrap_or(0))),
        ("objects", number(Some(state.catalog().len() as u64))),
        ("digest", text(state.catalog().digest().to_string())),
        ("build", text(&header.build)),
    ]);
    let columns = [
        ("epoch", "epoch"),
        ("config version", "config_version"),
        ("taken", "taken_at"),
        ("objects", "objects"),
        ("build", "build"),
    ];
    print(output, &value, &columns);
    note(format!("{} is whole", path.display()));
    Ok(())
}

fn unreadable(error: &backup::BackupError) -> Failure {
    Failure::Refused(format!("BACKUP_UNREADABLE: {}\n  see docs/reference/errors/BACKUP_UNREADABLE.md", causes(error)))
}
