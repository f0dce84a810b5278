//! The loop on the leader: asks what is due, proposes it, asks again, and sleeps until something can have changed.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tidegate_machine::Code;
use tidegate_model::{Command, Timestamp};
use tidegate_proto::types::v1 as types;
use tokio::time::{Instant, timeout_at};

use crate::context::Context;
use crate::limits::{STEER_PAUSE_MAX, STEER_PAUSE_MIN, STEER_ROUNDS_MAX, STEER_SLEEP_MAX, STEER_SPACING};

/// Steers while this node leads, until it is gone.
pub async fn run(context: Weak<Context>) {
    let Some(alive) = context.upgrade() else { return };
    let Ok(handle) = alive.handle().cloned() else { return };
    let (mut leadership, mut versions) = (handle.leadership(), alive.shelf.versions());
    let records = Arc::clone(&alive.records);
    drop(alive);
    let mut pause = STEER_PAUSE_MIN;
    loop {
        if !leadership.borrow_and_update().is_here {
            if leadership.changed().await.is_err() {
                return;
            }
            continue;
        }
        versions.mark_unchanged();
        let Some(alive) = context.upgrade() else { return };
        let next = alive.steer_on().await;
        let wake_at = match next {
            Next::At(at) => {
                pause = STEER_PAUSE_MIN;
                let looked_at = Instant::now();
                // What comes in meanwhile is waiting when the spacing is over.
                tokio::time::sleep(STEER_SPACING).await;
                looked_at + at
            }
            // Only the time helps: news would only bring the same refusal again.
            Next::Again => {
                let until = Instant::now() + pause;
                pause = (pause * 2).min(STEER_PAUSE_MAX);
                let _is_elapsed = timeout_at(until, leadership.changed()).await.is_err();
                continue;
            }
        };
        let news = async {
            tokio::select! {
                changed = versions.changed() => changed.is_ok(),
                changed = leadership.changed() => changed.is_ok(),
                () = records.news() => true,
            }
        };
        if timeout_at(wake_at, news).await.is_ok_and(|goes_on| !goes_on) {
            return;
        }
    }
}

/// When to look again.
enum Next {
    /// Nothing is due for so long, unless something happens.
    At(Duration),
    /// Something is due that could not be done.
    Again,
}

/// What became of a command.
enum Steered {
    Done,
    /// Somebody else was faster: look again.
    Overtaken,
    /// Not now.
    Failed,
}

impl Context {
    /// Does what is due, round by round, until nothing is left or nothing moves.
    async fn steer_on(self: Arc<Self>) -> Next {
        for _ in 0..STEER_ROUNDS_MAX {
            let Ok(published) = self.published() else { return Next::Again };
            let health = self.records.frozen();
            let now = Timestamp::from_millis(self.platform.clock.wall_ms());
            let looked_at = Arc::clone(&published);
            let look = move || {
                let due = tidegate_controller::due(&looked_at.state, &health, now);
                let next = tidegate_controller::next_due(&looked_at.state, &health, now);
                (due, next)
            };
            let Ok((due, next)) = self.blocking("steering", look).await else { return Next::Again };
            if due.is_empty() {
                let wait = next.map_or(STEER_SLEEP_MAX, |at| Duration::from_millis(at.since(now).as_millis()));
                return Next::At(wait.clamp(Duration::from_millis(1), STEER_SLEEP_MAX));
            }
            let mut has_moved = false;
            for command in due {
                match self.steer_by(command).await {
                    Steered::Done => has_moved = true,
                    Steered::Overtaken => {}
                    Steered::Failed => return Next::Again,
                }
            }
            // Overtaken, the next look is at another state than this one; refused, it may be at the same.
            let shown = self.shelf.load().state.config_version();
            if !has_moved && shown == published.state.config_version() {
                return Next::Again;
            }
        }
        Next::Again
    }

    async fn steer_by(&self, command: Command) -> Steered {
        let summary = summary(&command);
        match self.propose_steer(command).await {
            Some(types::Result { kind: Some(types::result::Kind::Outcome(_)) }) => {
                tracing::info!(step = summary, "steered");
                Steered::Done
            }
            Some(types::Result { kind: Some(types::result::Kind::Rejection(rejection)) }) => {
                if rejection.code == Code::Conflict.as_str() {
                    return Steered::Overtaken;
                }
                tracing::warn!(step = summary, code = rejection.code, "a due step was refused");
                Steered::Overtaken
            }
            Some(types::Result { kind: None }) | None => Steered::Failed,
        }
    }
}

/// A step in a few words, however many devices it is about.
fn summary(command: &Command) -> String {
    match command {
        Command::Steer(steer) => format!("{} {}", steer.step.as_str(), steer.release),
        Command::Apply(documents) => format!("remember {}", documents.len()),
        // The controller has no other words today.
        Command::Transition(_) | Command::Delete(_) | Command::Batch(_) | Command::Settings(_) | Command::Token(_) => {
            "other".to_owned()
        }
    }
}
