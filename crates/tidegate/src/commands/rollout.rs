//! `rollout`: the verbs, status and watch.

use tidegate_client::{Client, Consistency, Filter, Moved, Place, WatchError};
use tidegate_manifest::print::Value;
use tidegate_model::{
    CatalogChange, CohortId, DeviceKey, Object, ObjectKind, ObjectRef, Ppm, Principal, ReleaseId, RolloutState, Transition, Verb,
};
use tidegate_proto::admin::v1::{CellProgress, RolloutCounts, RolloutProgress};

use super::objects::view;
use crate::cli::{On, Output, Rollout};
use crate::connect::request_id;
use crate::exit::{Failure, Outcome};
use crate::output::{map, note, number, print, text};
use crate::time::{instant, print_instant};

/// Runs a rollout command.
pub async fn rollout(client: &Client, output: Output, command: &Rollout) -> Outcome {
    match command {
        Rollout::Status { release } => status(client, output, &id(release)?).await,
        Rollout::Watch { release } => watch(client, output, &id(release)?).await,
        _ => {
            let (on, verb) = verb(command)?;
            let transition =
                Transition { release: id(&on.release)?, expected_version: on.expected_version, reason: on.reason.clone(), verb };
            let moved = client.transition(&transition, &request_id(client, &on.request)?).await?;
            report(output, &transition.release, &moved);
            Ok(())
        }
    }
}

fn id(text: &str) -> Outcome<ReleaseId> {
    ReleaseId::new(text).map_err(|error| Failure::usage(error.at("release")))
}

/// The verb of a command that moves a rollout.
fn verb(command: &Rollout) -> Outcome<(&On, Verb)> {
    let parsed = match command {
        Rollout::Publish { on, supersede, insert_unphased } => {
            (on, Verb::Publish { supersede: *supersede, insert_unphased: *insert_unphased })
        }
        Rollout::Pause(on) => (on, Verb::Pause),
        Rollout::Resume { on, acknowledge } => (on, Verb::Resume { acknowledge: *acknowledge }),
        Rollout::Withdraw { on, revert_to, revert_percent, open_barrier } => {
            let revert_to = revert_to.as_deref().map(id).transpose()?;
            (on, Verb::Withdraw { revert_to, revert_share: percent(revert_percent)?, open_barrier: *open_barrier })
        }
        Rollout::Complete(on) => (on, Verb::Complete),
        Rollout::Advance { on, domain } => (on, Verb::Advance { domain: domain.clone() }),
        Rollout::Approve { on, by, device } => {
            let by = by.as_deref().map(Principal::new).transpose().map_err(|error| Failure::usage(error.at("by")))?;
            let device = device.as_deref().map(DeviceKey::new).transpose().map_err(|e| Failure::usage(e.at("device")))?;
            (on, Verb::Approve { by, device })
        }
        Rollout::Disable(on) => (on, Verb::Disable),
        Rollout::Enable(on) => (on, Verb::Enable),
        Rollout::Discard(on) => (on, Verb::Discard),
        Rollout::Clear { on, device } => {
            let device = DeviceKey::new(device).map_err(|error| Failure::usage(error.at("device")))?;
            (on, Verb::Clear { device })
        }
        Rollout::Promote { on, to, new_id, keep_version } => {
            let to = CohortId::new(to).map_err(|error| Failure::usage(error.at("to")))?;
            let new_id = new_id.as_deref().map(id).transpose()?;
            (on, Verb::Promote { to, new_id, keep_version: *keep_version })
        }
        Rollout::Status { .. } | Rollout::Watch { .. } => return Err(Failure::usage("this command moves nothing")),
    };
    Ok(parsed)
}

fn percent(text: &str) -> Outcome<Ppm> {
    tidegate_manifest::percent(text)
        .ok_or_else(|| Failure::usage(format!("revert_percent: {text:?} must be 0 to 100 with at most four decimals")))
}

fn report(output: Output, release: &ReleaseId, moved: &Moved) {
    let value = map([
        ("release", text(release.as_str())),
        ("state", text(moved.state.map_or("gone", RolloutState::as_str))),
        ("version", number(Some(moved.version))),
        ("config_version", number(Some(moved.written.config_version))),
    ]);
    let columns = [("release", "release"), ("state", "state"), ("rev", "version"), ("config version", "config_version")];
    print(output, &value, &columns);
    for warning in &moved.written.warnings {
        note(format!("warning: {}: {}", warning.code, warning.message));
    }
}

async fn status(client: &Client, output: Output, release: &ReleaseId) -> Outcome {
    let read = client.rollout_status(release, Consistency::Linearizable).await?;
    let status = read.value;
    let Object::Release(stored) = &status.release else {
        return Err(Failure::Local(anyhow::anyhow!("the server answered with another kind of object")));
    };
    let rollout = &stored.body.rollout;
    let value = map([
        ("release", text(release.as_str())),
        ("state", text(rollout.state.as_str())),
        ("sub_status", text(status.sub_status.clone().unwrap_or_default())),
        ("stage", text(&status.stage)),
        ("stage_number", number(Some(u64::from(rollout.stage_index) + 1))),
        ("stages", number(Some(u64::from(status.stage_count)))),
        ("share", text(status.share_ppm.and_then(|ppm| Ppm::new(ppm).ok()).map_or(String::new(), |share| format!("{share} %")))),
        ("next_change_at", status.next_change_at.map_or(Value::Null, |at| instant(at.as_millis()))),
        ("latest", Value::Bool(status.is_latest)),
        ("disabled", Value::Bool(stored.body.disabled)),
        ("reason", text(&rollout.reason)),
        ("version", number(Some(stored.version))),
        ("config_version", number(Some(read.config_version))),
        ("as_of", instant(status.as_of.as_millis())),
        ("progress", status.progress.as_ref().map_or(Value::Null, progress)),
    ]);
    let columns = [
        ("release", "release"),
        ("state", "state"),
        ("sub-status", "sub_status"),
        ("stage", "stage"),
        ("share", "share"),
        ("next change", "next_change_at"),
        ("reason", "reason"),
        ("rev", "version"),
    ];
    print(output, &value, &columns);
    if let (Output::Table, Some(progress)) = (output, &status.progress) {
        print_sentences(progress);
    }
    Ok(())
}

/// The progress of a rollout as data.
fn progress(progress: &RolloutProgress) -> Value {
    let texts = |texts: &[String]| Value::List(texts.iter().map(text).collect());
    let cell = |cell: &CellProgress| {
        map([
            ("domain", text(&cell.domain)),
            ("state", text(&cell.state)),
            ("counts", cell.counts.as_ref().map_or(Value::Null, counts)),
            ("verdict", text(&cell.verdict)),
        ])
    };
    let codes = progress.new_codes.iter().map(|(code, count)| (code.clone(), number(Some(*count))));
    map([
        ("counts", progress.counts.as_ref().map_or(Value::Null, counts)),
        ("verdict", text(&progress.verdict)),
        ("cells", Value::List(progress.cells.iter().map(cell).collect())),
        ("known", number(Some(progress.known))),
        ("admitted", number(Some(progress.admitted))),
        ("new_codes", Value::Map(codes.collect())),
        ("waits", texts(&progress.waits)),
        ("next_at", progress.next_at_ms.map_or(Value::Null, instant)),
        ("node", text(&progress.node)),
    ])
}

fn counts(counts: &RolloutCounts) -> Value {
    map([
        ("attempted", number(Some(counts.attempted))),
        ("succeeded", number(Some(counts.succeeded))),
        ("failed", number(Some(counts.failed))),
        ("rolled_back", number(Some(counts.rolled_back))),
        ("running", number(Some(counts.running))),
        ("silent", number(Some(counts.silent))),
    ])
}

#[allow(clippy::print_stdout, reason = "the data of a status")]
fn print_sentences(progress: &RolloutProgress) {
    print!("{}", sentences(progress));
}

/// The same for humans.
fn sentences(progress: &RolloutProgress) -> String {
    let line = |name: &str, counts: &Option<RolloutCounts>, verdict: &str| {
        let counts = counts.unwrap_or_default();
        let verdict = if verdict.is_empty() { String::new() } else { format!("; gate: {verdict}") };
        format!(
            "{name}: {} tried, {} succeeded, {} failed ({} rolled back), {} under way, {} silent{verdict}\n",
            counts.attempted, counts.succeeded, counts.failed, counts.rolled_back, counts.running, counts.silent
        )
    };
    let mut out = line("devices", &progress.counts, &progress.verdict);
    for cell in &progress.cells {
        out.push_str(&line(&format!("cell {} {}", cell.domain, cell.state), &cell.counts, &cell.verdict));
    }
    for (code, count) in &progress.new_codes {
        out.push_str(&format!("new failure {code}: {count}\n"));
    }
    for wait in &progress.waits {
        out.push_str(&format!("{wait}\n"));
    }
    out
}

/// Prints the rollout's state now and after each change, until interrupted.
async fn watch(client: &Client, output: Output, release: &ReleaseId) -> Outcome {
    let reference = ObjectRef::Release(release.clone());
    let now = client.get(&reference, Consistency::Linearizable).await?;
    print_change(output, now.config_version, Some(&now.value));
    let from = Place { epoch: 0, config_version: now.config_version };
    let mut watch = client.watch(from, Filter { kinds: vec![ObjectKind::Release], product: None });
    loop {
        let batch = watch.next().await.map_err(|error| match error {
            WatchError::Call(error) => Failure::from(error),
            compacted @ WatchError::Compacted { .. } => Failure::Refused(format!("COMPACTED: {compacted}")),
        })?;
        for change in batch.changes.iter().filter(|change| change.reference() == reference) {
            let object = match change {
                CatalogChange::Put(object) => Some(object),
                CatalogChange::Remove(_) => None,
            };
            print_change(output, batch.place.config_version, object);
        }
    }
}

#[allow(clippy::print_stdout, reason = "the data of a watch")]
fn print_change(output: Output, config_version: u64, object: Option<&Object>) {
    if output != Output::Table {
        let value = object.map_or(Value::Null, view);
        return print(output, &map([("config_version", number(Some(config_version))), ("object", value)]), &[]);
    }
    match object {
        Some(Object::Release(stored)) => {
            let rollout = &stored.body.rollout;
            let since = rollout.stage_opened_at.map_or(String::new(), |at| format!(", stage open since {}", print_instant(at)));
            println!(
                "{config_version}  {} rev {}  {}  stage {}{since}  {}",
                stored.body.id,
                stored.version,
                rollout.state.as_str(),
                rollout.stage_index + 1,
                rollout.reason
            );
        }
        _ => println!("{config_version}  gone"),
    }
}
