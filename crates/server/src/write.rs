//! The way of a write: judged here for form, stamped and proposed by the leader, answered once.
//!
//! Whichever node is asked, the outcome is definite or says that it is unknown. A write is offered again by itself only
//! if it certainly was not executed (nobody led, or the leader had just changed). A node that is being stopped answers what
//! is still under way after a moment: whoever waits has another node to ask, under the same request id.

use std::time::Duration;

use tidegate_consensus::{AskError, AskRefused, Handle, Priority, ProposeError, Target};
use tidegate_machine::State;
use tidegate_machine::settings::CONTROLLER;
use tidegate_model::{Command, Entry, Principal, RequestId, Seed, SteerStep, Timestamp, Verb};
use tidegate_proto::types::v1 as types;
use tokio::time::Instant;

use crate::caller::Caller;
use crate::codec;
use crate::context::Context;
use crate::limits::{LEADER_WAIT_MAX, OWN_WRITE_WAIT_MAX, WRITE_ATTEMPTS_MAX, WRITE_RETRY_PAUSE};
use crate::refusal::{Door, Refusal};
use crate::{selectors, windows, wire};

/// A write of a caller that was let in.
#[derive(Clone, Debug)]
pub struct Write {
    /// Who asks.
    pub principal: Principal,
    /// Generation of the credentials at which it was let in.
    pub auth_epoch: u64,
    /// Under which the answer is remembered.
    pub request_id: RequestId,
    /// What is asked.
    pub command: Command,
}

impl Context {
    /// Carries out `command` for `caller`, from any node.
    ///
    /// # Errors
    /// The state machine's rejection, or why there is no answer.
    pub async fn write(&self, caller: &Caller, request_id: &str, command: Command) -> Result<types::Outcome, Refusal> {
        let request_id = self.request_id(request_id)?;
        readable(&command)?;
        let write = Write { principal: caller.principal.clone(), auth_epoch: caller.auth_epoch, request_id, command };
        let deadline = Instant::now() + self.config.limits.write_timeout;
        let result = tokio::select! {
            biased;
            result = self.offer(&write, deadline) => result?,
            () = self.out_of_time() => return Err(Door::UnknownOutcome { request_id: write.request_id.to_string() }.into()),
        };
        let outcome = outcome(result)?;
        self.see(outcome.config_version).await;
        Ok(outcome)
    }

    /// Waits a moment until this node shows what the leader has carried out, so that whoever wrote through it finds the
    /// effect there. Not a promise: a node that lags answers all the same.
    async fn see(&self, config_version: u64) {
        let mut versions = self.shelf.versions();
        let seen = versions.wait_for(|(_, shown)| *shown >= config_version);
        let _has_come = tokio::time::timeout(OWN_WRITE_WAIT_MAX, seen).await.is_ok();
    }

    /// Judges `command` on the present state and changes nothing.
    ///
    /// # Errors
    /// As [`write`](Self::write) would answer now.
    pub async fn dry_run(&self, caller: &Caller, command: Command) -> Result<types::Outcome, Refusal> {
        readable(&command)?;
        self.read_linearizable().await?;
        let mut state: State = self.whole().await?.state;
        let config_version = state.config_version();
        let entry = Entry {
            proposed_at: Timestamp::from_millis(self.platform.clock.wall_ms()),
            principal: caller.principal.clone(),
            auth_epoch: caller.auth_epoch,
            request_id: self.draw_request_id(),
            seed: self.draw_seed(),
            command,
        };
        let index = state.applied_index() + 1;
        let applied = tidegate_machine::apply(&mut state, index, &entry);
        let mut outcome = outcome(codec::result_out(&applied.result))?;
        outcome.config_version = config_version;
        Ok(outcome)
    }

    fn request_id(&self, text: &str) -> Result<RequestId, Door> {
        if text.is_empty() {
            return Ok(self.draw_request_id());
        }
        RequestId::new(text).map_err(|invalid| Door::field("request_id", invalid.value, invalid.rule))
    }

    fn draw_seed(&self) -> Seed {
        let mut seed = Seed([0; 32]);
        self.platform.random.fill(&mut seed.0);
        seed
    }

    /// Offers the write to whoever leads, until it is answered, its outcome is unknown, or the time is up.
    async fn offer(&self, write: &Write, deadline: Instant) -> Result<types::Result, Refusal> {
        let handle = self.handle()?;
        let give_up = deadline.min(Instant::now() + LEADER_WAIT_MAX);
        let mut leadership = handle.leadership();
        for _ in 0..WRITE_ATTEMPTS_MAX {
            let leader = *leadership.borrow_and_update();
            let attempt = if leader.is_here {
                self.propose(handle, write, deadline).await
            } else if leader.leader.is_some() {
                forward(handle, write, deadline).await
            } else {
                Err(Attempt::NotExecuted)
            };
            match attempt {
                Ok(result) => return Ok(result),
                Err(Attempt::Definite(refusal)) => return Err(refusal),
                Err(Attempt::NotExecuted) => {}
            }
            // Nobody was there to execute it: wait for news of a leader, or look again in a moment.
            if Instant::now() >= give_up {
                break;
            }
            let pause = if leader.leader.is_some() { WRITE_RETRY_PAUSE } else { LEADER_WAIT_MAX };
            let until = give_up.min(Instant::now() + pause);
            let is_over = tokio::time::timeout_at(until, leadership.changed()).await.is_ok_and(|changed| changed.is_err());
            if is_over {
                return Err(Door::NotReady.into());
            }
        }
        Err(Door::NoLeader.into())
    }

    /// Proposes what the controller found due. On the leader only; what became of it, or nothing if it has no result.
    pub(crate) async fn propose_steer(&self, command: Command) -> Option<types::Result> {
        let write = Write {
            principal: Principal::new(CONTROLLER).expect("the reserved name is an id"),
            auth_epoch: self.published().ok()?.state.auth_epoch(),
            request_id: self.draw_request_id(),
            command,
        };
        let deadline = Instant::now() + self.config.limits.write_timeout;
        self.propose(self.handle().ok()?, &write, deadline).await.ok()
    }

    /// Proposes on this node; for the asking handler as well.
    async fn propose(&self, handle: &Handle, write: &Write, deadline: Instant) -> Result<types::Result, Attempt> {
        let published = self.published().map_err(|door| Attempt::Definite(door.into()))?;
        if let Err(door) = self.kinds.gate(&write.command, &published, || handle.status()) {
            // What was answered before is answered again, whatever would be said to it today.
            let whole = self.whole().await.map_err(|door| Attempt::Definite(door.into()))?;
            if whole.state.requests().get(&write.principal, &write.request_id).is_none() {
                return Err(Attempt::Definite(door.into()));
            }
        }
        let entry = Entry {
            proposed_at: Timestamp::from_millis(self.platform.clock.wall_ms()),
            principal: write.principal.clone(),
            auth_epoch: write.auth_epoch,
            request_id: write.request_id.clone(),
            seed: self.draw_seed(),
            command: write.command.clone(),
        };
        if let Some(rejection) = selectors::rejection(self, &entry).await.map_err(|door| Attempt::Definite(door.into()))? {
            return Ok(types::Result { kind: Some(types::result::Kind::Rejection(rejection)) });
        }
        let payload = codec::encode_entry(&entry);
        match handle.propose(payload, priority(&write.command), deadline).await {
            Ok(proposed) => codec::decode_result(&proposed.response).map_err(|_| {
                // Only a poisoned application answers with something else; the entry itself stands in the log.
                Attempt::Definite(Door::UnknownOutcome { request_id: write.request_id.to_string() }.into())
            }),
            Err(ProposeError::NotLeader { .. }) => Err(Attempt::NotExecuted),
            Err(error) => Err(Attempt::Definite(Refusal::of_proposal(&error, write.request_id.as_str()))),
        }
    }

    /// Answers a write that another node forwarded: executed here or certainly not at all, never passed on again.
    pub(crate) async fn write_forwarded(&self, write: wire::Write) -> Result<wire::answer::Kind, AskRefused> {
        let invalid = |reason: String| AskRefused::Invalid { reason };
        let command = write.command.ok_or_else(|| invalid("no command".to_owned()))?;
        let timeout = Duration::from_millis(write.timeout_ms).min(self.config.limits.write_timeout);
        let write = Write {
            principal: Principal::new(&write.principal).map_err(|error| invalid(error.to_string()))?,
            auth_epoch: write.auth_epoch,
            request_id: RequestId::new(&write.request_id).map_err(|error| invalid(error.to_string()))?,
            command: codec::command_in(command).map_err(|door| invalid(door.to_string()))?,
        };
        if write.principal.as_str() == CONTROLLER {
            return Err(invalid("the controller proposes on the leader itself".to_owned()));
        }
        let handle = self.handle().map_err(|_| AskRefused::NotLeader { leader: None })?;
        let attempt = tokio::select! {
            biased;
            attempt = self.propose(handle, &write, Instant::now() + timeout) => attempt,
            () = self.out_of_time() => {
                Err(Attempt::Definite(Door::UnknownOutcome { request_id: write.request_id.to_string() }.into()))
            }
        };
        match attempt {
            Ok(result) => Ok(wire::answer::Kind::Result(result)),
            Err(Attempt::NotExecuted) => {
                let leader = handle.leadership().borrow().leader;
                Err(AskRefused::NotLeader { leader })
            }
            Err(Attempt::Definite(refusal)) => Ok(wire::answer::Kind::Refused(codec::refusal_out(refusal))),
        }
    }
}

/// Refuses holds that would never let anything through; see [`windows`].
fn readable(command: &Command) -> Result<(), Refusal> {
    windows::rejection(command).map_or(Ok(()), |rejection| Err(Refusal::Rejected(Box::new(rejection))))
}

/// Why an attempt has no result.
enum Attempt {
    /// Certainly nothing was done; another leader may take it.
    NotExecuted,
    /// This is the answer.
    Definite(Refusal),
}

async fn forward(handle: &Handle, write: &Write, deadline: Instant) -> Result<types::Result, Attempt> {
    let request_id = write.request_id.as_str();
    let timeout = deadline.saturating_duration_since(Instant::now());
    let question = wire::Write {
        principal: write.principal.to_string(),
        auth_epoch: write.auth_epoch,
        request_id: request_id.to_owned(),
        command: Some(codec::command_out(&write.command)),
        timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
    };
    let request = codec::encode_question(wire::question::Kind::Write(question));
    let answer = match handle.ask(Target::Leader, request, deadline).await {
        Ok(answer) => answer,
        Err(AskError::NotDelivered { .. } | AskError::Refused { refused: AskRefused::NotLeader { .. }, .. }) => {
            return Err(Attempt::NotExecuted);
        }
        Err(error) => return Err(Attempt::Definite(Refusal::of_ask(&error, request_id))),
    };
    match codec::decode_answer(&answer) {
        Some(wire::answer::Kind::Result(result)) => Ok(result),
        Some(wire::answer::Kind::Refused(refused)) => Err(Attempt::Definite(codec::refusal_in(refused, request_id))),
        // The leader answered in words that this build does not know: it may have been executed.
        Some(_) | None => Err(Attempt::Definite(Door::UnknownOutcome { request_id: request_id.to_owned() }.into())),
    }
}

/// Below the low mark of the disk, only what stops things or frees space is taken.
fn priority(command: &Command) -> Priority {
    let is_emergency = match command {
        Command::Transition(transition) => {
            matches!(transition.verb, Verb::Pause | Verb::Withdraw { .. } | Verb::Disable | Verb::Discard)
        }
        Command::Delete(_) => true,
        Command::Steer(steer) => matches!(steer.step, SteerStep::Fail { .. }),
        Command::Apply(_) | Command::Batch(_) | Command::Settings(_) | Command::Token(_) => false,
    };
    if is_emergency { Priority::Emergency } else { Priority::Ordinary }
}

fn outcome(result: types::Result) -> Result<types::Outcome, Refusal> {
    match result.kind {
        Some(types::result::Kind::Outcome(outcome)) => Ok(outcome),
        Some(types::result::Kind::Rejection(rejection)) => Err(Refusal::Rejected(Box::new(rejection))),
        // Only a poisoned application answers with nothing.
        None => Err(Door::NotReady.into()),
    }
}
