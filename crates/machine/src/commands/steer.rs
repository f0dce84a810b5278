//! Steps of the controller.

use tidegate_model::{ObjectRef, Steer};

use crate::commands::delete;
use crate::edit::Edit;
use crate::lifecycle::Action;
use crate::rejection::Cause;

/// Carries out one step.
pub(super) fn carry_out(edit: &mut Edit, steer: &Steer) -> Result<(), Cause> {
    let name = ObjectRef::Release(steer.release.clone());
    edit.name(name.clone());
    let release = edit.release(&steer.release).ok_or_else(|| Cause::NotFound { object: name.clone() })?;
    delete::check_version(&name, Some(steer.expected_version), Some(release.version))?;
    Err(Cause::IllegalNow { release: steer.release.clone(), action: Action::Advance, why: "the controller is being built" })
}
