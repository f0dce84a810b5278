//! `--devices` of `diff` and `apply --dry-run`: how many devices would be offered what, before and after.

use tidegate_client::eligibility::{Snapshot, Stamp, compile};
use tidegate_client::{Client, Consistency, Run};
use tidegate_machine::{Genesis, State};
use tidegate_manifest::check::CheckRequest;
use tidegate_manifest::print::Value;
use tidegate_model::{
    Catalog, CatalogChange, Command, Document, Entry, Object, Principal, ReleaseId, RequestId, Seed, Timestamp, Transition, Verb,
};
use tidegate_platform::Platform;

use crate::cli::{Fleet, Output};
use crate::exit::{Failure, Outcome};
use crate::fleet::devices::{self, Defaults};
use crate::fleet::tally::{Answer, Tally};
use crate::fleet::{DEVICES_MAX, PROGRESS_DEVICES};
use crate::output::{map, note, number, print, text};
use crate::time::{parse_instant, print_instant};

/// True if `--devices` is given. Without it people see the comparison for the device records, if there are any.
pub fn is_asked(fleet: &Fleet) -> bool {
    fleet.devices.is_some()
}

/// Compares the fleet before and after the documents, and, if releases are named, their publication.
pub async fn compare(client: &Client, output: Output, documents: &[Document], fleet: &Fleet) -> Outcome {
    if !is_asked(fleet) && output != Output::Table {
        return Ok(());
    }
    let commands = commands(documents, fleet)?;
    // The cluster is the judge; it refuses with its own words.
    client.batch(&commands, &client.request_id(), Run::Dry).await.map(drop)?;
    let exported = client.export(None, Consistency::Linearizable).await?;
    let wall = Timestamp::from_millis(Platform::system().clock.wall_ms());
    let now = fleet.at.as_deref().map_or(Ok(wall), |text| parse_instant("at", text))?;
    if !is_asked(fleet) && !exported.value.iter().any(|object| matches!(object, Object::Device(_))) {
        return Ok(());
    }
    let (before, after) = snapshots(&exported.value, exported.config_version, Command::Batch(commands), wall)?;

    let mut tally = Tally::default();
    let mut each = |device: CheckRequest| {
        tally.ask(&before, &after, &device, now);
        if tally.devices.is_multiple_of(PROGRESS_DEVICES) {
            note(format!("{} devices", tally.devices));
        }
    };
    let products = before.catalog().products().values().chain(after.catalog().products().values());
    let mut products: Vec<&str> = products.map(|product| product.body.id.as_str()).collect();
    products.sort_unstable();
    products.dedup();
    let product = fleet.product.clone().or_else(|| devices::default_product(products));
    let defaults = Defaults { product, release: fleet.on.clone() };
    match fleet.devices.as_ref().and_then(Option::as_ref) {
        Some(path) => devices::read(path, &defaults, &mut each)?,
        None => registered(&before, &defaults, &mut each)?,
    }
    show(output, &tally, now, exported.config_version);
    Ok(())
}

/// The documents, and after them the publications that are asked for, as one entry.
fn commands(documents: &[Document], fleet: &Fleet) -> Outcome<Vec<Command>> {
    let mut commands = vec![Command::Apply(documents.to_vec())];
    for release in &fleet.publish {
        commands.push(Command::Transition(Transition {
            release: ReleaseId::new(release).map_err(|error| Failure::usage(error.at("publish")))?,
            expected_version: None,
            reason: None,
            verb: Verb::Publish { supersede: false, insert_unphased: false },
        }));
    }
    Ok(commands)
}

/// The snapshots before and after the command, which is carried out on a copy.
fn snapshots(objects: &[Object], config_version: u64, command: Command, now: Timestamp) -> Outcome<(Snapshot, Snapshot)> {
    let mut catalog = Catalog::default();
    let changes: Vec<CatalogChange> = objects.iter().cloned().map(CatalogChange::Put).collect();
    for change in &changes {
        catalog.apply(change);
    }
    let stamp = |applied_index| Stamp { config_version: applied_index, epoch: 1, applied_index };
    let before = compile(&Snapshot::empty(), &catalog, &changes, stamp(config_version));

    let mut parts = State::new(Genesis { version_base: 0, epoch: 1, bare_signatures: false }).parts();
    parts.catalog = catalog;
    parts.applied_index = config_version;
    parts.config_version = config_version;
    parts.changes_floor = config_version;
    parts.log_time = now;
    let mut state = State::from_parts(parts).map_err(|error| Failure::Local(anyhow::Error::new(error)))?;
    let plain = |error: tidegate_model::Invalid| Failure::Local(anyhow::anyhow!("{error}"));
    let entry = Entry {
        proposed_at: now,
        principal: Principal::new("anonymous").map_err(plain)?,
        auth_epoch: 0,
        request_id: RequestId::new("comparison").map_err(plain)?,
        // Whom a fresh salt will admit is known when it is drawn; how many it will admit is known now.
        seed: Seed([0; 32]),
        command,
    };
    let applied = tidegate_machine::apply(&mut state, config_version + 1, &entry);
    applied.result.map_err(|rejection| Failure::Refused(rejection.to_string()))?;
    let after = compile(&before, state.catalog(), &applied.changes, stamp(config_version + 1));
    Ok((before, after))
}

/// All device records that are active, as they would ask.
fn registered(before: &Snapshot, defaults: &Defaults, each: &mut impl FnMut(CheckRequest)) -> Outcome {
    let records = before.catalog().devices();
    if records.is_empty() {
        return Err(Failure::usage("devices: there are no device records; name a file with --devices=FILE"));
    }
    if u64::try_from(records.len()).unwrap_or(u64::MAX) > DEVICES_MAX {
        return Err(Failure::usage(format!("devices: {} records must be at most {DEVICES_MAX}", records.len())));
    }
    for record in records.values() {
        let device = &record.body;
        let attributes = device.attributes.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        each(defaults.complete(CheckRequest {
            product: device.product.to_string(),
            device: Some(device.key.to_string()),
            attributes,
            ..CheckRequest::default()
        }));
    }
    Ok(())
}

fn show(output: Output, tally: &Tally, now: Timestamp, config_version: u64) {
    let named = |answer: &Answer| (answer.0.as_deref().map_or(Value::Null, text), text(answer.1));
    let row = |(answer, before, after): (&Answer, u64, u64)| {
        let (target, reason) = named(answer);
        map([("target", target), ("reason", reason), ("before", number(Some(before))), ("after", number(Some(after)))])
    };
    let rows = Value::List(tally.rows().into_iter().map(row).collect());
    if output == Output::Table {
        print(output, &rows, &[("target", "target"), ("reason", "reason"), ("before", "before"), ("after", "after")]);
    } else {
        let moved = |((before, after), count): (&(Answer, Answer), &u64)| {
            let ((from, from_reason), (to, to_reason)) = (named(before), named(after));
            map([
                ("target_before", from),
                ("reason_before", from_reason),
                ("target_after", to),
                ("reason_after", to_reason),
                ("devices", number(Some(*count))),
            ])
        };
        let whole = map([
            ("at", text(print_instant(now))),
            ("config_version", number(Some(config_version))),
            ("devices", number(Some(tally.devices))),
            ("changed", number(Some(tally.changed()))),
            ("answers", rows),
            ("moves", Value::List(tally.moves.iter().map(moved).collect())),
        ]);
        print(output, &whole, &[]);
    }
    note(format!("{} of {} devices are offered something else, at {}", tally.changed(), tally.devices, print_instant(now)));
}
