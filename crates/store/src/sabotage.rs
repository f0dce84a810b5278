//! The six broken builds. Each leaves out one step that durability needs; the suites must notice every one of them,
//! which shows that they can notice. Outside tests the type has no values but "whole", and every question is answered
//! with a constant.

/// A step that a deliberately broken build leaves out.
#[cfg(any(test, feature = "testing"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Callbacks are called before the sync.
    AckBeforeSync,
    /// A vote is written and not synced.
    VoteUnsynced,
    /// A full segment is left behind unsynced.
    RotationUnsynced,
    /// Folders are never synced.
    NoDirectorySync,
    /// Segments are given back before the purge mark is durable.
    PurgeBeforeMark,
    /// A snapshot gets its name before its bytes are durable.
    SnapshotRenamedBeforeSync,
}

#[cfg(any(test, feature = "testing"))]
impl Sabotage {
    /// All six.
    pub const ALL: [Self; 6] = [
        Self::AckBeforeSync,
        Self::VoteUnsynced,
        Self::RotationUnsynced,
        Self::NoDirectorySync,
        Self::PurgeBeforeMark,
        Self::SnapshotRenamedBeforeSync,
    ];
}

/// Which step this build leaves out: none, outside tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Build {
    #[cfg(any(test, feature = "testing"))]
    left_out: Option<Sabotage>,
}

macro_rules! question {
    ($name:ident, $step:ident) => {
        pub(crate) fn $name(self) -> bool {
            #[cfg(any(test, feature = "testing"))]
            return self.left_out == Some(Sabotage::$step);
            #[cfg(not(any(test, feature = "testing")))]
            false
        }
    };
}

impl Build {
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn broken(step: Sabotage) -> Self {
        Self { left_out: Some(step) }
    }

    question!(acks_before_sync, AckBeforeSync);
    question!(leaves_votes_unsynced, VoteUnsynced);
    question!(leaves_rotation_unsynced, RotationUnsynced);
    question!(never_syncs_folders, NoDirectorySync);
    question!(purges_before_mark, PurgeBeforeMark);
    question!(renames_before_sync, SnapshotRenamedBeforeSync);
}
