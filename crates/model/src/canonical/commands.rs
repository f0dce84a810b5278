//! Canonical encoding of commands: two requests are the same request exactly if these bytes are.

use super::Canonical;
use crate::command::{
    AttestationSpec, Command, Delete, Document, HoldSpec, OverrideSpec, ReleaseSpec, Role, SettingsChange, Spec, TokenChange,
    Transition, Verb,
};
use crate::digest::Digest;
use crate::steer::{Steer, SteerStep};

impl Command {
    /// The digest of what is asked, without who asks, when, and the randomness that travels with it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut out = Vec::new();
        super::SCHEMA.encode(&mut out);
        self.encode(&mut out);
        Digest::of("command", &out)
    }
}

impl Canonical for Digest {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.0);
    }
}

impl<A: Canonical, B: Canonical> Canonical for (A, B) {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
        self.1.encode(out);
    }
}

impl<T: Canonical> Canonical for Box<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }
}

record! {
    Document { spec, expected_version }
    ReleaseSpec {
        id, product, cohort, bundle, version, version_requirement, required, disabled, dead_end, requirement, urgency,
        install_mode, published_at, notes, previous, next, adopt, replace,
    }
    HoldSpec { id, product, scope, kind, release, bundle, from, until, window, critical_pierces, reason }
    OverrideSpec { id, product, target, bundle, starts_at, ends_at, force, allow_downgrade }
    AttestationSpec { bundle, kind, by, evidence }
    Transition { release, expected_version, reason, verb }
    Delete { object, expected_version }
    SettingsChange { expected_version, history_versions_max, audit_records_max, cluster_version }
    TokenChange { name, grant }
    Steer { release, expected_version, step }
}

variants! {
    Command { 1 Apply(documents), 2 Transition(transition), 3 Delete(delete), 4 Batch(commands), 5 Settings(change), 6 Token(change), 7 Steer(steer) }
    Spec {
        1 Product(spec), 2 Cohort(spec), 3 Bundle(spec), 4 Release(spec), 5 Policy(spec), 6 Device(spec), 7 Hold(spec),
        8 Override(spec), 9 Exclusion(spec), 10 Attestation(spec),
    }
    Verb {
        1 Publish { supersede, insert_unphased },
        2 Pause,
        3 Resume { acknowledge },
        4 Withdraw { revert_to, revert_share, open_barrier },
        5 Complete,
        6 Advance { domain },
        7 Approve { by, device },
        8 Discard,
        9 Disable,
        10 Enable,
        11 Clear { device },
        12 Promote { to, new_id, keep_version },
    }
    SteerStep {
        1 Fire,
        2 OpenCells(domains),
        3 Settle { domain },
        4 Doubt { domain, lack },
        5 Pass { domain },
        6 Fail { domain, reason },
        7 Admit { devices, size },
        8 Freeze { since },
        9 Thaw { until },
        10 Complete,
        11 Follow { cohort },
    }
    Role { 1 Read, 2 Operate, 3 Admin }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::ids::ReleaseId;

    #[test]
    fn different_requests_have_different_digests() {
        let transition = |verb, reason: Option<&str>| {
            let release = ReleaseId::new("r1").unwrap();
            Command::Transition(Transition { release, expected_version: None, reason: reason.map(str::to_owned), verb })
        };
        let pause = transition(Verb::Pause, None);
        assert_eq!(pause.digest(), transition(Verb::Pause, None).digest());
        let others = [
            transition(Verb::Complete, None),
            transition(Verb::Pause, Some("")),
            transition(Verb::Resume { acknowledge: false }, None),
            transition(Verb::Resume { acknowledge: true }, None),
            Command::Batch(vec![pause.clone()]),
            Command::Batch(vec![]),
            Command::Apply(vec![]),
        ];
        for other in others {
            assert_ne!(pause.digest(), other.digest(), "{other:?}");
        }
    }
}
