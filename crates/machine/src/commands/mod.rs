//! Commands, one module each. They read and write through an [`Edit`] and either carry everything out or say why not.

mod apply;
mod control;
mod delete;
mod passage;
mod steer;
mod transition;

use tidegate_model::{Command, Invalid};

use crate::edit::Edit;
use crate::limits;
use crate::rejection::Cause;

/// Carries a command out on the edit; after an error the edit is worthless.
pub(crate) fn carry_out(edit: &mut Edit, command: &Command) -> Result<(), Cause> {
    match command {
        Command::Batch(commands) => {
            let is_small = commands.len() <= limits::BATCH_MAX;
            rule(is_small, "batch", commands.len(), || format!("must have at most {} commands", limits::BATCH_MAX))?;
            for command in commands {
                let is_nested = matches!(command, Command::Batch(_));
                rule(!is_nested, "batch", "batch", || "must not contain batches".to_owned())?;
                single(edit, command)?;
            }
            Ok(())
        }
        Command::Apply(_)
        | Command::Transition(_)
        | Command::Delete(_)
        | Command::Settings(_)
        | Command::Token(_)
        | Command::Steer(_) => single(edit, command),
    }
}

fn single(edit: &mut Edit, command: &Command) -> Result<(), Cause> {
    match command {
        Command::Apply(documents) => apply::carry_out(edit, documents),
        Command::Transition(transition) => transition::carry_out(edit, transition),
        Command::Delete(delete) => delete::carry_out(edit, delete),
        Command::Settings(change) => control::change_settings(edit, change),
        Command::Token(change) => control::change_token(edit, change),
        Command::Steer(steer) => steer::carry_out(edit, steer),
        Command::Batch(_) => Ok(()),
    }
}

/// A rule on a value that stands in no document.
fn rule(holds: bool, field: &str, value: impl ToString, rule: impl FnOnce() -> String) -> Result<(), Cause> {
    if holds { Ok(()) } else { Err(Cause::field(None, Invalid::new(field, value.to_string(), rule()))) }
}
