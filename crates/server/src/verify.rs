//! Compares this node's digest with the leader's, now and then, at an equal config version.
//!
//! Nodes that applied the same log have the same digest. A difference is a defect or damage: the node raises an alarm
//! and serves nothing from then on, because nobody can tell which of its answers are wrong.

use std::sync::Weak;

use tidegate_consensus::Target;
use tokio::time::Instant;

use crate::codec;
use crate::context::Context;
use crate::limits::{PEER_QUESTION_MAX, VERIFY_INTERVAL};
use crate::wire;

/// Compares until the node is gone.
pub async fn watch_digests(context: Weak<Context>) {
    loop {
        tokio::time::sleep(VERIFY_INTERVAL).await;
        let Some(context) = context.upgrade() else { return };
        compare(&context).await;
    }
}

async fn compare(context: &Context) {
    let Ok(handle) = context.handle() else { return };
    if handle.leadership().borrow().is_here {
        return;
    }
    let published = context.shelf.load();
    let config_version = published.state.config_version();
    let question = wire::DigestQuestion { config_version };
    let request = codec::encode_question(wire::question::Kind::Digest(question));
    let deadline = Instant::now() + PEER_QUESTION_MAX;
    let Ok(answer) = handle.ask(Target::Leader, request, deadline).await else { return };
    let Some(wire::answer::Kind::Digest(answer)) = codec::decode_answer(&answer) else { return };
    if judge(&answer, published.state.epoch(), config_version, &published.snapshot.digest().0) == Verdict::Differs {
        tracing::error!(
            config_version,
            own = %published.snapshot.digest(),
            "the digest of this node differs from the leader's at the same config version: it serves nothing any more"
        );
        context.set_diverged();
    }
}

/// What an answer says about this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Agrees,
    Differs,
    /// Another version or epoch: nothing can be said.
    Incomparable,
}

fn judge(answer: &wire::DigestAnswer, epoch: u64, config_version: u64, digest: &[u8; 32]) -> Verdict {
    if answer.digest.is_empty() || answer.epoch != epoch || answer.config_version != config_version {
        return Verdict::Incomparable;
    }
    if answer.digest[..] == digest[..] { Verdict::Agrees } else { Verdict::Differs }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_equal_version_with_another_digest_is_divergence() {
        let answer = |epoch, config_version, digest: &'static [u8]| wire::DigestAnswer {
            epoch,
            config_version,
            digest: bytes::Bytes::from_static(digest),
        };
        const OWN: [u8; 32] = [1; 32];
        assert_eq!(judge(&answer(1, 7, &OWN), 1, 7, &OWN), Verdict::Agrees);
        assert_eq!(judge(&answer(1, 7, &[2; 32]), 1, 7, &OWN), Verdict::Differs);
        assert_eq!(judge(&answer(1, 7, &[]), 1, 7, &OWN), Verdict::Incomparable);
        assert_eq!(judge(&answer(2, 7, &[2; 32]), 1, 7, &OWN), Verdict::Incomparable);
        assert_eq!(judge(&answer(1, 8, &[2; 32]), 1, 7, &OWN), Verdict::Incomparable);
    }
}
