//! Where a test happens: the replicated state, its snapshot, the controller and the clock.
//!
//! Entries go in as a leader would propose them: with the time, a principal, a request id and randomness, all of it from
//! the file. The controller acts at every instant at which something falls due, each at its own, and after each step until
//! nothing is left to do.

use thiserror::Error;
use tidegate_controller::{Event, Sighting};
use tidegate_eligibility::{Snapshot, Stamp, compile};
use tidegate_machine::settings::CONTROLLER;
use tidegate_machine::{Code, Genesis, Outcome, Rejection, State};
use tidegate_model::{Catalog, Command, Digest, Entry, Principal, RequestId, Seed, Timestamp, Verb};

use crate::limits;
use crate::steering::Steering;

/// Who acts when a step does not say.
const OPERATOR: &str = "operator";

/// The controller does not come to rest.
#[derive(Clone, Debug, Error)]
pub(crate) enum Stuck {
    #[error("the controller wrote {count} entries at {at} and wants more, the last one {last}")]
    Entries { at: Timestamp, count: usize, last: String },
    #[error("the controller is refused everything that it wants at {at}: {refusal}")]
    Refused { at: Timestamp, refusal: String },
    #[error("the controller had to act at {count} instants and it is only {at}")]
    Instants { at: Timestamp, count: usize },
}

pub(crate) struct World {
    state: State,
    snapshot: Snapshot,
    now: Timestamp,
    seed: String,
    /// Entries proposed so far.
    entries: u64,
    /// Event ids made up so far.
    event_ids: u64,
    steering: Steering,
    /// What the controller did since they were last taken.
    acts: Vec<String>,
    acts_left_out: usize,
}

impl World {
    pub(crate) fn new(start: Timestamp, seed: &str) -> Self {
        let genesis = Genesis { version_base: 0, epoch: 1, bare_signatures: true };
        Self {
            state: State::new(genesis),
            snapshot: Snapshot::empty(),
            now: start,
            seed: seed.to_owned(),
            entries: 0,
            event_ids: 0,
            steering: Steering::default(),
            acts: Vec::new(),
            acts_left_out: 0,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        self.state.catalog()
    }

    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// A device was seen.
    pub(crate) fn sight(&mut self, sighting: &Sighting) {
        self.steering.sight(self.state.catalog(), sighting, self.now);
    }

    /// An install event came.
    pub(crate) fn take_in(&mut self, event: &Event) {
        self.steering.take_in(self.state.catalog(), event, self.now);
    }

    /// An id for an event that has none: no other event of the test has it.
    pub(crate) fn fresh_event_id(&mut self) -> String {
        self.event_ids += 1;
        format!("event-{}", self.event_ids)
    }

    /// Proposes a command for somebody; returns what the log answers.
    pub(crate) fn write(
        &mut self,
        by: Option<&Principal>,
        request_id: Option<&RequestId>,
        command: Command,
    ) -> Result<Outcome, Box<Rejection>> {
        let operator = || Principal::new(OPERATOR).expect("a plain word is an id");
        let result = self.propose(by.cloned().unwrap_or_else(operator), request_id, command.clone());
        if let (Ok(_), Command::Transition(transition)) = (&result, &command)
            && let Verb::Clear { device } = &transition.verb
            && let Some(release) = self.catalog().releases().get(&transition.release).cloned()
        {
            self.steering.clear(&release.body.product, device, &release.body.bundle);
        }
        result
    }

    fn propose(
        &mut self,
        principal: Principal,
        request_id: Option<&RequestId>,
        command: Command,
    ) -> Result<Outcome, Box<Rejection>> {
        self.entries += 1;
        let fresh = || RequestId::new(&format!("entry-{}", self.entries)).expect("letters, digits and a dash");
        let entry = Entry {
            proposed_at: self.now,
            principal,
            auth_epoch: self.state.auth_epoch(),
            request_id: request_id.cloned().unwrap_or_else(fresh),
            seed: Seed(Digest::of("test", format!("{}/{}", self.entries, self.seed).as_bytes()).0),
            command,
        };
        let index = self.state.applied_index() + 1;
        let applied = tidegate_machine::apply(&mut self.state, index, &entry);
        let (config_version, epoch) = (self.state.config_version(), self.state.epoch());
        let stamp = Stamp { config_version, epoch, applied_index: index };
        self.snapshot = compile(&self.snapshot, self.state.catalog(), &applied.changes, stamp);
        self.steering.learn(&applied.changes, self.now);
        applied.result.map_err(Box::new)
    }

    /// Moves the clock to `at`: the controller acts at every instant on the way at which something falls due, and at `at`
    /// itself.
    pub(crate) fn advance_to(&mut self, at: Timestamp) -> Result<(), Stuck> {
        let mut instants = 0;
        while let Some(next) = self.steering.next_due(&self.state, self.now).filter(|next| *next <= at) {
            if instants >= limits::INSTANTS_PER_STEP_MAX || next <= self.now {
                return Err(Stuck::Instants { at: self.now, count: instants });
            }
            instants += 1;
            self.now = next;
            self.settle()?;
        }
        self.now = self.now.max(at);
        self.settle()
    }

    /// Lets the controller act until nothing is left to do at this instant.
    pub(crate) fn settle(&mut self) -> Result<(), Stuck> {
        let mut entries = 0;
        loop {
            let due = self.steering.due(&self.state, self.now);
            if due.is_empty() {
                return Ok(());
            }
            let (mut is_any_accepted, mut refusal) = (false, String::new());
            for command in due {
                let named = name(&command);
                if entries >= limits::ENTRIES_PER_INSTANT_MAX {
                    return Err(Stuck::Entries { at: self.now, count: entries, last: named });
                }
                entries += 1;
                let controller = Principal::new(CONTROLLER).expect("a plain word is an id");
                match self.propose(controller, None, command) {
                    Ok(_) => {
                        is_any_accepted = true;
                        self.note(format!("{} controller: {named}", self.now));
                    }
                    // An earlier command of this round has changed what it was about: the next round looks again.
                    Err(rejection) if rejection.code == Code::Conflict && is_any_accepted => {}
                    Err(rejection) => refusal = format!("{named}: {rejection}"),
                }
            }
            if !is_any_accepted {
                return Err(Stuck::Refused { at: self.now, refusal });
            }
        }
    }

    fn note(&mut self, act: String) {
        if self.acts.len() < limits::ACTS_KEPT_MAX { self.acts.push(act) } else { self.acts_left_out += 1 }
    }

    /// What the controller did since this was last asked, one line each.
    pub(crate) fn take_acts(&mut self) -> Vec<String> {
        let mut acts = std::mem::take(&mut self.acts);
        let left_out = std::mem::take(&mut self.acts_left_out);
        if left_out > 0 {
            acts.push(format!("and {left_out} more"));
        }
        acts
    }
}

/// A command of the controller, for humans.
fn name(command: &Command) -> String {
    match command {
        Command::Steer(steer) => format!("{:?} of {}", steer.step, steer.release),
        Command::Transition(transition) => format!("{:?} of {}", transition.verb, transition.release),
        Command::Apply(documents) => format!("apply of {} objects", documents.len()),
        Command::Delete(delete) => format!("delete of {}", delete.object),
        Command::Batch(commands) => format!("batch of {}", commands.len()),
        Command::Settings(_) => "settings".to_owned(),
        Command::Token(_) => "token".to_owned(),
    }
}
