//! `import`: foreign release data becomes one log entry.

use tidegate_client::{Client, Consistency, Run};
use tidegate_manifest::fcos::{self, Known};
use tidegate_model::{CohortId, ProductId};

use super::apply::report;
use crate::cli::{Import, Output};
use crate::connect::request_id;
use crate::exit::{Failure, Outcome};
use crate::files;
use crate::output::note;

/// Runs an import.
pub async fn import(client: &Client, output: Output, command: &Import) -> Outcome {
    let Import::Fcos { file, product, cohort, dry_run, request } = command;
    let source = files::read(file)?;
    let product = ProductId::new(product).map_err(|error| Failure::usage(error.at("product")))?;
    let cohort = CohortId::new(cohort).map_err(|error| Failure::usage(error.at("cohort")))?;
    let state = client.export(None, Consistency::Linearizable).await?;
    let known = Known::from_objects(&state.value, &product, &cohort);
    let plan = fcos::import(&source.name, &source.text, &product, &cohort, &known)?;
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
