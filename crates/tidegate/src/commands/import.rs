//! `import`: foreign release data becomes one log entry.

use tidegate_client::{Client, Consistency, Run};
use tidegate_manifest::appcast::{self, Target};
use tidegate_manifest::fcos::{self, Known};
use tidegate_model::{CohortId, ProductId, Timestamp};
use tidegate_platform::Platform;

use super::apply::report;
use crate::cli::{Import, Output};
use crate::connect::request_id;
use crate::exit::{Failure, Outcome};
use crate::files;
use crate::output::note;

/// Runs an import.
pub async fn import(client: &Client, output: Output, command: &Import) -> Outcome {
    let (file, product, cohort, dry_run, request) = match command {
        Import::Fcos { file, product, cohort, dry_run, request }
        | Import::Appcast { file, product, cohort, dry_run, request, .. } => (file, product, cohort, dry_run, request),
    };
    let source = files::read(file)?;
    let product = ProductId::new(product).map_err(|error| Failure::usage(error.at("product")))?;
    let cohort = CohortId::new(cohort).map_err(|error| Failure::usage(error.at("cohort")))?;
    let state = client.export(None, Consistency::Linearizable).await?;
    let plan = match command {
        Import::Fcos { .. } => {
            let known = Known::from_objects(&state.value, &product, &cohort);
            fcos::import(&source.name, &source.text, &product, &cohort, &known)?
        }
        Import::Appcast { channels, beta, .. } => {
            let target = Target { product, cohort, channels: cohorts(channels, beta)? };
            let now = Timestamp::from_millis(Platform::system().clock.wall_ms());
            appcast::import(&source, &target, &state.value, now)?
        }
    };
    for line in &plan.summary {
        note(line);
    }
    for warning in &plan.warnings {
        note(format!("warning: {warning}"));
    }
    if plan.commands.is_empty() {
        note(format!("nothing to change at config version {}", state.config_version));
        return Ok(());
    }
    let run = if *dry_run { Run::Dry } else { Run::Commit };
    let written = client.batch(&plan.commands, &request_id(client, request)?, run).await?;
    report(output, &written, *dry_run);
    Ok(())
}

/// The cohorts of the channels that are named.
fn cohorts(channels: &[String], beta: &[String]) -> Outcome<Vec<(String, CohortId)>> {
    let written = channels.iter().map(|pair| match pair.split_once('=') {
        Some((channel, cohort)) if !channel.is_empty() => Ok((channel, cohort)),
        _ => Err(Failure::usage(format!("channel: {pair:?} must be CHANNEL=COHORT"))),
    });
    let pairs = written.chain(beta.iter().map(|cohort| Ok(("beta", cohort.as_str()))));
    pairs
        .map(|pair| {
            let (channel, cohort) = pair?;
            let cohort = CohortId::new(cohort).map_err(|error| Failure::usage(error.at("channel")))?;
            Ok((channel.to_owned(), cohort))
        })
        .collect()
}
