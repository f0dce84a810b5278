//! What scripts see of the state.

use std::fmt::Write as _;

use tidegate_model::{Catalog, CatalogChange, Exposure, Rollout, Timestamp};

use super::START;
use super::nouns::release_id;
use super::verbs;
use crate::rejection::role_name;
use crate::{Applied, State, sub_status};

/// What holds for every entry, whatever the script is about: changes lead from the old catalog to the new one, and a
/// refusal leaves everything but the books as it was (P-06).
pub(super) fn check_books(before: &State, after: &State, applied: &Applied) {
    let mut catalog = before.catalog().clone();
    assert_eq!(applied.changes.len(), applied.replaced.len());
    for (change, replaced) in applied.changes.iter().zip(&applied.replaced) {
        let old = before.catalog().get(&change.reference());
        assert_eq!(replaced.version, old.as_ref().map_or(0, |old| old.version()));
        assert_eq!(replaced.product, old.and_then(|old| before.catalog().product_of(&old)));
        catalog.apply(change);
    }
    assert_eq!(&catalog, after.catalog());
    assert_eq!(catalog.digest(), rebuilt(after).digest());
    assert_eq!(applied.audit.number, before.audit().count + 1);
    assert_eq!(applied.audit.head, after.audit().head);
    if applied.result.is_err() || applied.replayed {
        assert!(applied.changes.is_empty());
        assert_eq!(before.config_version(), after.config_version());
        assert_eq!((before.settings(), before.tokens()), (after.settings(), after.tokens()));
    }
    let again = State::from_parts(after.parts()).unwrap();
    assert_eq!(again.digest(), after.digest());
    assert_eq!(again.index, after.index, "the index is what the catalog says");
}

fn rebuilt(state: &State) -> Catalog {
    let mut catalog = Catalog::default();
    for object in state.catalog().objects() {
        catalog.apply(&CatalogChange::Put(object));
    }
    catalog
}

pub(super) fn applied(applied: &Applied) -> String {
    let mut out = if applied.replayed { "again " } else { "" }.to_owned();
    match &applied.result {
        Ok(outcome) => {
            write!(out, "@{}", outcome.config_version).unwrap();
            for object in &outcome.objects {
                write!(out, " {} {} v{}", object.reference, object.effect.as_str(), object.version).unwrap();
            }
            out.push('\n');
            outcome.warnings.iter().for_each(|warning| writeln!(out, "  warning {warning}").unwrap());
        }
        Err(rejection) => {
            writeln!(out, "{rejection}").unwrap();
            for field in &rejection.fields {
                let document = field.document.map_or(String::new(), |index| format!("[{index}] "));
                writeln!(out, "  {document}{field}").unwrap();
            }
        }
    }
    out
}

fn secs(at: Timestamp) -> i64 {
    at.as_millis() / 1_000 - START
}

/// Every release with state, version and edges, cohort by cohort.
pub(super) fn graph(state: &State) -> String {
    let mut out = String::new();
    for stored in state.catalog().releases().values() {
        let release = &stored.body;
        let next = match (&release.next, release.linked) {
            (Some(next), _) => format!("-> {next}"),
            (None, true) => "latest".to_owned(),
            (None, false) => format!("wants {:?}", release.place),
        };
        let disabled = if release.disabled { " disabled" } else { "" };
        let name = release.rollout.state.as_str();
        writeln!(out, "{}/{} v{} {name}{disabled} {next}", release.cohort, release.id, stored.version).unwrap();
    }
    out
}

fn exposure(exposure: &Exposure) -> String {
    match exposure {
        Exposure::Percent { share, .. } => format!("{share}%"),
        Exposure::All | Exposure::Count(_) | Exposure::Tags(_) | Exposure::Ramp(_) => format!("{exposure:?}"),
    }
}

pub(super) fn rollout(state: &State, id: &str) -> String {
    let stored = state.catalog().releases().get(&release_id(id)).unwrap();
    let (release, rollout) = (&stored.body, &stored.body.rollout);
    let mut out = format!("v{} {}", stored.version, rollout.state.as_str());
    if let Some(status) = sub_status(release, state.log_time()) {
        write!(out, " {}", status.as_str()).unwrap();
    }
    write!(out, " stage {} {:?}", rollout.stage_index, rollout.stage_state).unwrap();
    let opened = rollout.stage_opened_at.map_or("-".to_owned(), |at| secs(at).to_string());
    let origin = rollout.ramp_origin(release.published_at).map_or("-".to_owned(), |at| secs(at).to_string());
    write!(out, " opened {opened} origin {origin} paused {}", rollout.paused_total).unwrap();
    let passed: Vec<_> = rollout.passed.iter().map(|stage| format!("{}={}", stage.name, exposure(&stage.exposure))).collect();
    write!(out, " passed [{}]", passed.join(" ")).unwrap();
    let salt = rollout.salt.map_or("-".to_owned(), |salt| salt.to_string()[..8].to_owned());
    write!(out, " salt {salt} {:?}", rollout.salt_origin).unwrap();
    if let Some(to) = &rollout.revert_to {
        write!(out, " revert {}% to {to}", rollout.revert_share).unwrap();
    }
    for (name, is) in [("open_barrier", rollout.open_barrier), ("was_completed", rollout.was_completed)] {
        out.push_str(if is { " " } else { "" });
        out.push_str(if is { name } else { "" });
    }
    if !rollout.approvals.is_empty() || !release.consents.is_empty() {
        write!(out, " approvals {:?} consents {:?}", rollout.approvals, release.consents).unwrap();
    }
    out.push_str(&cells_and_roster(rollout));
    writeln!(out, " reason {:?}", rollout.reason).unwrap();
    out
}

/// What only some rollouts have.
fn cells_and_roster(rollout: &Rollout) -> String {
    let mut out = String::new();
    if let Some(at) = rollout.stage_settled_at {
        write!(out, " settled {}", secs(at)).unwrap();
    }
    let cells = rollout.cells.iter().map(|(value, cell)| {
        let lack = cell.lack.map_or(String::new(), |lack| format!("({lack:?})"));
        let settled = cell.settled_at.map_or(String::new(), |at| format!("@{}", secs(at)));
        format!("{value}={:?}{lack}{settled}", cell.state)
    });
    let cells: Vec<_> = cells.collect();
    if !cells.is_empty() {
        write!(out, " cells [{}]", cells.join(" ")).unwrap();
    }
    if rollout.admitted_max > 0 {
        write!(out, " roster {:?} of {}", rollout.admitted, rollout.admitted_max).unwrap();
    }
    if !rollout.dismissed.is_empty() {
        write!(out, " dismissed {:?}", rollout.dismissed).unwrap();
    }
    for (name, at) in [("frozen", rollout.frozen_since), ("acknowledged", rollout.acknowledged_at)] {
        if let Some(at) = at {
            write!(out, " {name} {}", secs(at)).unwrap();
        }
    }
    if let Some(flag) = &rollout.flag {
        write!(out, " flag {flag}").unwrap();
    }
    out
}

pub(super) fn object(state: &State, kind: &str, id: &str) -> String {
    match state.catalog().get(&verbs::object(kind, id)) {
        Some(object) => format!("{} v{}\n", object.reference(), object.version()),
        None => "absent\n".to_owned(),
    }
}

pub(super) fn state(state: &State) -> String {
    let Timestamp { .. } = state.log_time();
    format!(
        "config version {} applied {} time {} requests {} audit {} settings v{}\n",
        state.config_version(),
        state.applied_index(),
        secs(state.log_time()),
        state.requests().len(),
        state.audit().count,
        state.settings().version,
    )
}

pub(super) fn changes(state: &State, since: u64) -> String {
    let mut out = String::new();
    match state.changes().since(since) {
        Err(compacted) => writeln!(out, "{compacted}").unwrap(),
        Ok(rows) => {
            for (config_version, names) in rows {
                let names: Vec<_> = names.iter().map(ToString::to_string).collect();
                writeln!(out, "@{config_version} {}", names.join(", ")).unwrap();
            }
        }
    }
    out
}

pub(super) fn tokens(state: &State) -> String {
    let mut out = format!("generation {}\n", state.auth_epoch());
    for (name, token) in state.tokens() {
        writeln!(out, "{name} {} v{} generation {}", role_name(token.role), token.version, token.auth_epoch).unwrap();
    }
    out
}
