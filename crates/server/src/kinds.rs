//! Which cluster version each kind of command needs, and what this build understands.
//!
//! A cluster of mixed builds must not log what one of them cannot carry out: that node would have to stop. So a kind that
//! came later is refused until the replicated `cluster_version` was raised to it, and that is refused until every member,
//! learners too, is known to understand it. A node that meets more than it understands all the same (an older build was
//! started on a newer cluster) stops and says so; it never skips anything.

use tidegate_consensus::Status;
use tidegate_model::Command;

use crate::published::Published;
use crate::refusal::Door;

/// What a build knows of commands.
#[derive(Clone, Copy, Debug)]
pub struct Kinds {
    supported: u32,
    needs: fn(&Command) -> u32,
}

impl Kinds {
    /// What this build knows.
    #[must_use]
    pub const fn of_this_build() -> Self {
        Self { supported: crate::SUPPORTED_VERSION, needs: version_needed }
    }

    /// What another build knows: tests let two builds that differ in a kind meet in one cluster.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub const fn of_another_build(supported: u32, needs: fn(&Command) -> u32) -> Self {
        Self { supported, needs }
    }

    /// Newest cluster version that the build understands.
    #[must_use]
    pub fn supported(&self) -> u32 {
        self.supported
    }

    /// Whether the build can carry the command out.
    #[must_use]
    pub fn understands(&self, command: &Command) -> bool {
        self.needed(command) <= self.supported
    }

    fn needed(&self, command: &Command) -> u32 {
        match command {
            Command::Batch(commands) => commands.iter().map(|command| self.needed(command)).max().unwrap_or(1),
            single => (self.needs)(single),
        }
    }

    /// Whether the leader may propose the command, as cluster and members are now. The members are asked for only when the
    /// version is to be raised: every write comes this way.
    ///
    /// # Errors
    /// The kind came with a later version than the cluster's, or the cluster is to be raised above a member.
    pub fn gate(&self, command: &Command, published: &Published, status: impl FnOnce() -> Status) -> Result<(), Door> {
        let current = published.state.settings().cluster_version;
        let needed = self.needed(command);
        if needed > current {
            return Err(Door::ClusterTooOld { needed, current });
        }
        match raise(command).filter(|wanted| *wanted > current) {
            Some(wanted) => self.gate_raise(wanted, &status()),
            None => Ok(()),
        }
    }

    fn gate_raise(&self, wanted: u32, status: &Status) -> Result<(), Door> {
        for line in &status.members {
            let node = line.member.id;
            let supported = if node == status.node { Some(self.supported) } else { line.supported_version };
            if supported.is_none_or(|supported| supported < wanted) {
                return Err(Door::MemberTooOld { node, wanted, supported });
            }
        }
        Ok(())
    }
}

/// The cluster version that a command wants to set.
fn raise(command: &Command) -> Option<u32> {
    match command {
        Command::Settings(change) => change.cluster_version,
        Command::Batch(commands) => commands.iter().filter_map(raise).max(),
        Command::Apply(_) | Command::Transition(_) | Command::Delete(_) | Command::Token(_) | Command::Steer(_) => None,
    }
}

/// The version in which a kind came. Whoever adds a kind, or a field that older builds would overlook, gives it
/// [`SUPPORTED_VERSION`](crate::SUPPORTED_VERSION) + 1 here and raises that.
fn version_needed(command: &Command) -> u32 {
    match command {
        Command::Apply(_)
        | Command::Transition(_)
        | Command::Delete(_)
        | Command::Batch(_)
        | Command::Settings(_)
        | Command::Token(_)
        | Command::Steer(_) => 1,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tidegate_consensus::{Member, MemberKind, MemberStatus, Role};
    use tidegate_distribution::Roots;
    use tidegate_eligibility::Snapshot;
    use tidegate_machine::{Genesis, State};
    use tidegate_model::{Delete, ObjectRef, ProductId, SettingsChange};

    use super::*;

    /// A build of version 2, which brought deletion.
    const LATER: Kinds = Kinds::of_another_build(2, |command| if matches!(command, Command::Delete(_)) { 2 } else { 1 });

    fn published() -> Published {
        let state = State::new(Genesis { version_base: 0, epoch: 1, bare_signatures: false });
        Published { state, snapshot: Snapshot::empty(), roots: Roots::default() }
    }

    fn status(supported: &[(u64, MemberKind, Option<u32>)]) -> Status {
        let line = |&(id, kind, supported_version): &(u64, MemberKind, Option<u32>)| MemberStatus {
            member: Member { id, ..Member::default() },
            kind,
            matched_index: None,
            lag: None,
            supported_version,
            wall_offset_ms: None,
            heard_ago: None,
        };
        Status {
            node: 1,
            store_uuid: 0,
            cluster_id: 0,
            epoch: 1,
            term: 1,
            leader: Some(1),
            role: Role::Leader,
            last_index: 0,
            committed_index: 0,
            applied_index: 0,
            snapshot_index: 0,
            purged_index: 0,
            members: supported.iter().map(line).collect(),
            is_disk_low: false,
            clock_alarm: None,
        }
    }

    /// Looking at the members costs every write that does it.
    fn unasked() -> Status {
        panic!("nothing is raised, and the members were asked for")
    }

    fn set_version(version: u32) -> Command {
        Command::Settings(SettingsChange { cluster_version: Some(version), ..SettingsChange::default() })
    }

    #[test]
    fn a_kind_of_a_later_version_waits_for_the_cluster_also_in_a_batch() {
        let object = ObjectRef::Product(ProductId::new("os").unwrap());
        let delete = Command::Delete(Delete { object, expected_version: None });
        for command in [delete.clone(), Command::Batch(vec![set_version(1), delete])] {
            let refused = LATER.gate(&command, &published(), unasked).unwrap_err();
            assert_eq!(refused, Door::ClusterTooOld { needed: 2, current: 1 });
            assert!(LATER.understands(&command));
            assert!(!Kinds { supported: 1, ..LATER }.understands(&command));
            Kinds::of_this_build().gate(&command, &published(), unasked).unwrap();
        }
    }

    #[test]
    fn a_cluster_is_raised_when_every_member_is_known_to_understand_it() {
        use MemberKind::{Learner, Voter};
        let check = |members: &[_], expected| {
            assert_eq!(LATER.gate(&set_version(2), &published(), || status(members)), expected);
        };
        let refused = |node, supported| Err(Door::MemberTooOld { node, wanted: 2, supported });
        check(&[(1, Voter, None), (2, Voter, Some(2)), (3, Learner, Some(3))], Ok(()));
        check(&[(1, Voter, None), (2, Voter, Some(1))], refused(2, Some(1)));
        check(&[(1, Voter, None), (2, Voter, Some(2)), (3, Learner, Some(1))], refused(3, Some(1)));
        check(&[(1, Voter, None), (2, Voter, None)], refused(2, None));
        let beyond = Kinds::of_this_build().gate(&set_version(9), &published(), || status(&[(1, Voter, None)]));
        assert_eq!(beyond, Err(Door::MemberTooOld { node: 1, wanted: 9, supported: Some(crate::SUPPORTED_VERSION) }));
        Kinds::of_this_build().gate(&set_version(1), &published(), unasked).unwrap();
    }
}
