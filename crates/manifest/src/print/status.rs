//! What the cluster adds to an object: read-only.

use tidegate_model::{BundleState, CellState, Created, Object, Release, Rollout, RolloutState, SaltOrigin, Span, StageState};

use super::map::Map;
use super::policy::{exposure, percent};
use super::value::Value;

/// Compare-and-set number and creation of any object; the rollout of a release.
pub fn status(object: &Object) -> Map {
    let created = |created: &Created| {
        let map = Map::default().put("config_version", Value::number(created.config_version));
        map.put("seq", Value::number(created.seq)).into_value()
    };
    let map = Map::default().put("version", Value::number(object.version()));
    match object {
        Object::Product(stored) => map.put("created", created(&stored.created)),
        Object::Cohort(stored) => map.put("created", created(&stored.created)),
        Object::Bundle(stored) => {
            let state = match stored.body.state {
                BundleState::Uploading => "UPLOADING",
                BundleState::Ready => "READY",
                BundleState::Recalled => "RECALLED",
            };
            map.put("created", created(&stored.created)).text("state", state)
        }
        Object::Release(stored) => release(map.put("created", created(&stored.created)), &stored.body),
        Object::Policy(stored) => map.put("created", created(&stored.created)),
        Object::Device(stored) => map.put("created", created(&stored.created)),
        Object::Hold(stored) => map.put("created", created(&stored.created)).text("author", &stored.body.author),
        Object::Override(stored) => map.put("created", created(&stored.created)),
        Object::Exclusion(stored) => map.put("created", created(&stored.created)),
        Object::Attestation(stored) => map.put("created", created(&stored.created)).optional_instant("at", Some(stored.body.at)),
    }
}

fn release(map: Map, release: &Release) -> Map {
    let map = map
        .text("state", release.rollout.state.as_str())
        .put("disabled", Value::Bool(release.disabled))
        .put("linked", Value::Bool(release.linked))
        .put("next", release.next.as_ref().map_or(Value::Null, Value::text))
        .some_texts("consents", &release.consents);
    rollout(map, &release.rollout)
}

fn rollout(map: Map, rollout: &Rollout) -> Map {
    let salt_origin = match &rollout.salt_origin {
        _ if rollout.salt.is_none() => None,
        SaltOrigin::Fresh => Some("fresh".to_owned()),
        SaltOrigin::Inherited(from) => Some(format!("inherited from {from}")),
        SaltOrigin::CohortFixed => Some("cohort".to_owned()),
    };
    let passed = |passed: &tidegate_model::PassedStage| {
        Map::default().text("name", &passed.name).put("exposure", exposure(&passed.exposure)).into_value()
    };
    let cells = rollout.cells.iter().fold(Map::default(), |map, (domain, cell)| map.text(domain, cell_state(cell.state)));
    let is_live = rollout.state != RolloutState::Draft;
    let some_span = |span: Span| (span != Span::ZERO).then_some(span);
    map.optional_text("salt", rollout.salt)
        .optional_text("salt_origin", salt_origin)
        .optional_instant("activated_at", rollout.activated_at)
        .optional("stage_index", is_live.then(|| Value::number(rollout.stage_index)))
        .optional_text("stage_state", is_live.then(|| stage_state(rollout.stage_state)))
        .optional_instant("stage_opened_at", rollout.stage_opened_at)
        .optional_instant("stage_settled_at", rollout.stage_settled_at)
        .optional_text("stage_paused", some_span(rollout.stage_paused))
        .some_list("passed", rollout.passed.iter().map(passed))
        .some_map("cells", cells)
        .optional_instant("paused_at", rollout.paused_at)
        .optional_text("paused_total", some_span(rollout.paused_total))
        .optional("admitted", (rollout.admitted_max > 0).then(|| Value::number(rollout.admitted.len() as u64)))
        .some_texts("approvals", &rollout.approvals)
        .flag("gate_failed", rollout.gate_failed)
        .optional_text("revert_to", rollout.revert_to.as_ref())
        .optional("revert_percent", rollout.revert_to.is_some().then(|| percent(rollout.revert_share)))
        .flag("open_barrier", rollout.open_barrier)
        .flag("was_completed", rollout.was_completed)
        .some_text("reason", &rollout.reason)
        .optional_text("flag", rollout.flag.as_ref())
}

fn stage_state(state: StageState) -> &'static str {
    match state {
        StageState::Pending => "PENDING",
        StageState::Open => "OPEN",
        StageState::Baking => "BAKING",
        StageState::Inconclusive => "INCONCLUSIVE",
        StageState::Passed => "PASSED",
        StageState::AwaitingApproval => "AWAITING_APPROVAL",
        StageState::Failed => "FAILED",
    }
}

fn cell_state(state: CellState) -> &'static str {
    match state {
        CellState::Closed => "CLOSED",
        CellState::Open => "OPEN",
        CellState::Settled => "SETTLED",
        CellState::Passed => "PASSED",
        CellState::Failed => "FAILED",
    }
}
