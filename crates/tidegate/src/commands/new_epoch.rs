//! `cluster restore` and `cluster recover`: work on the folders of nodes that do not run.

use tidegate_platform::{Platform, causes};
use tidegate_server::Config;
use tidegate_server::new_epoch::{self, Founded, NewEpochError, Remains};

use crate::cli::{Output, Recover, Restore};
use crate::exit::{Failure, Outcome};
use crate::output::{map, note, number, print};

/// Makes a data folder from a backup.
pub fn restore(output: Output, arguments: &Restore) -> Outcome {
    let (config, _) = arguments.settings.load()?;
    let founded = new_epoch::restore(&config, &Platform::system(), &arguments.backup).map_err(|error| failure(&error))?;
    tell(output, &config, &founded);
    Ok(())
}

/// Says what a stopped node has left and, if that is accepted, makes a data folder from it.
pub fn recover(output: Output, arguments: &Recover) -> Outcome {
    let platform = Platform::system();
    if !arguments.i_accept_that_acknowledged_writes_may_be_lost {
        let remains = new_epoch::remains(&platform, &arguments.from).map_err(|error| failure(&error))?;
        show(output, &remains);
        return Err(Failure::Refused(
            "LOSS_NOT_ACCEPTED: nothing was changed; look at every folder that is left, take the one with the largest last \
             entry, and repeat with --i-accept-that-acknowledged-writes-may-be-lost\n  \
             see docs/runbook/quorum-lost.md"
                .to_owned(),
        ));
    }
    let (config, _) = arguments.settings.load()?;
    let founded = new_epoch::recover(&config, &platform, &arguments.from).map_err(|error| failure(&error))?;
    note("writes that were acknowledged and had not reached this node are lost; unacknowledged ones may have come back");
    tell(output, &config, &founded);
    Ok(())
}

fn show(output: Output, remains: &Remains) {
    let left = &remains.left;
    let value = map([
        ("node", number(Some(remains.node))),
        ("epoch", number(Some(remains.epoch))),
        ("last_index", number(Some(left.last_index))),
        ("committed_index", number(left.committed_index)),
        ("snapshot_index", number(left.snapshot_index)),
        ("config_version", number(Some(remains.config_version))),
        ("objects", number(Some(remains.objects as u64))),
        ("members", number(Some(left.members.len() as u64))),
    ]);
    let columns = [
        ("node", "node"),
        ("epoch", "epoch"),
        ("last entry", "last_index"),
        ("known as committed", "committed_index"),
        ("config version", "config_version"),
        ("objects", "objects"),
        ("members", "members"),
    ];
    print(output, &value, &columns);
}

fn tell(output: Output, config: &Config, founded: &Founded) {
    let value = map([
        ("node", number(Some(founded.node))),
        ("epoch_before", number(Some(founded.epoch_before))),
        ("epoch", number(Some(founded.epoch))),
        ("config_version_before", number(Some(founded.config_version_before))),
        ("config_version", number(Some(founded.config_version))),
        ("objects", number(Some(founded.objects as u64))),
    ]);
    let columns = [
        ("node", "node"),
        ("epoch", "epoch"),
        ("config version before", "config_version_before"),
        ("config version", "config_version"),
        ("objects", "objects"),
    ];
    print(output, &value, &columns);
    note(format!(
        "start node {} on {}; then start the others on empty folders with cluster.epoch = {}, and join them",
        founded.node,
        config.data_dir.display(),
        founded.epoch
    ));
}

fn failure(error: &NewEpochError) -> Failure {
    let code = match error {
        NewEpochError::Backup(_) => "BACKUP_UNREADABLE",
        NewEpochError::Folder(_) | NewEpochError::NotUnderstood { .. } => "FOLDER_UNREADABLE",
        NewEpochError::NotEmpty { .. } => "FOLDER_NOT_EMPTY",
        NewEpochError::OtherCluster { .. } => "OTHER_CLUSTER",
        NewEpochError::NoPort { .. } => "ADDRESS_WITHOUT_PORT",
        NewEpochError::Epoch(_) => "EPOCH_NOT_RAISED",
        NewEpochError::Journal(_) | NewEpochError::Copy { .. } => "FOLDER_NOT_MADE",
    };
    Failure::Refused(format!("{code}: {}\n  see docs/reference/errors/{code}.md", causes(error)))
}
