//! A bound that the state machine cannot judge: selectors that no index of the compiled snapshot serves.
//!
//! Every check tries each of them, so a product may have only so many. What an index serves is the compiler's knowledge,
//! so the leader compiles a write that could add one, before it proposes it. Two such writes at the same moment can go
//! past the bound by one: decisions stay right, and the next one is refused.

use tidegate_eligibility::Snapshot;
use tidegate_eligibility::limits::SELECTORS_UNINDEXED_MAX;
use tidegate_machine::{Code, State};
use tidegate_model::{Command, Entry, HoldScope, OverrideTarget, Spec};
use tidegate_proto::types::v1 as types;

use crate::context::Context;
use crate::published::Published;
use crate::refusal::Door;

/// The rejection of a write that would take a product past the bound; nothing for any other.
pub(crate) async fn rejection(context: &Context, entry: &Entry) -> Result<Option<types::Rejection>, Door> {
    if !may_add(&entry.command) {
        return Ok(None);
    }
    // With the answers: what was answered before adds nothing, whatever would be said to it today.
    let Published { state, snapshot: before, .. } = context.whole().await?;
    Ok(judge(state, &before, entry))
}

fn judge(mut state: State, before: &Snapshot, entry: &Entry) -> Option<types::Rejection> {
    let index = state.applied_index() + 1;
    let applied = tidegate_machine::apply(&mut state, index, entry);
    let after = tidegate_eligibility::compile(before, state.catalog(), &applied.changes, before.stamp());
    let product = state.catalog().products().keys().find(|product| is_beyond(before, &after, product.as_str()))?;
    let rule = format!("a product may have at most {SELECTORS_UNINDEXED_MAX} selectors that name neither devices nor values");
    let message = format!("product {product}: {rule}");
    let field = types::FieldViolation { field: "selector".to_owned(), rule, ..types::FieldViolation::default() };
    Some(types::Rejection {
        code: Code::InvalidObject.as_str().to_owned(),
        message,
        fields: vec![field],
        ..types::Rejection::default()
    })
}

fn is_beyond(before: &Snapshot, after: &Snapshot, product: &str) -> bool {
    let now = after.unindexed_selectors(product);
    now > SELECTORS_UNINDEXED_MAX && now > before.unindexed_selectors(product)
}

/// Whether the command wants a hold or an override by selector.
fn may_add(command: &Command) -> bool {
    match command {
        Command::Apply(documents) => documents.iter().any(|document| match &document.spec {
            Spec::Hold(hold) => matches!(hold.scope, HoldScope::Selector(_)),
            Spec::Override(wanted) => matches!(wanted.target, OverrideTarget::Selector(_)),
            Spec::Product(_)
            | Spec::Cohort(_)
            | Spec::Bundle(_)
            | Spec::Release(_)
            | Spec::Policy(_)
            | Spec::Device(_)
            | Spec::Exclusion(_)
            | Spec::Attestation(_) => false,
        }),
        Command::Batch(commands) => commands.iter().any(may_add),
        Command::Transition(_) | Command::Delete(_) | Command::Settings(_) | Command::Token(_) | Command::Steer(_) => false,
    }
}
