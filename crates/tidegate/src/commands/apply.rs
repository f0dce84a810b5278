//! `apply` and `diff`.

use tidegate_client::{Client, Consistency, Effect, Run, Written};
use tidegate_manifest::print::{self as manifest_print, Value};
use tidegate_model::{Document, ObjectRef};

use crate::cli::{Apply, Diff, Files, Output};
use crate::commands::compare;
use crate::connect::request_id;
use crate::exit::{Failure, Outcome};
use crate::output::{map, note, number, print, text};
use crate::{diff, files, names};

/// Applies all documents as one log entry, or says what that would do.
pub async fn apply(client: &Client, output: Output, arguments: &Apply) -> Outcome {
    let mut documents = read(&arguments.files)?;
    if let Some(expected) = arguments.expected_version {
        let [document] = documents.as_mut_slice() else {
            return Err(Failure::usage("--expected-version goes with exactly one document"));
        };
        document.expected_version = Some(expected);
    }
    if compare::is_asked(&arguments.fleet) && !arguments.dry_run {
        return Err(Failure::usage("--devices goes with --dry-run"));
    }
    let id = request_id(client, &arguments.request)?;
    let run = if arguments.dry_run { Run::Dry } else { Run::Commit };
    let written = client.apply(&documents, &id, run).await?;
    if output == Output::Table || !compare::is_asked(&arguments.fleet) {
        report(output, &written, arguments.dry_run);
    }
    if arguments.dry_run { compare::compare(client, output, &documents, &arguments.fleet).await } else { Ok(()) }
}

/// Shows, object by object, which fields an apply would change, and what that would mean for the fleet. For programs, the
/// latter alone.
pub async fn diff(client: &Client, output: Output, arguments: &Diff) -> Outcome {
    let documents = read(&arguments.files)?;
    let id = client.request_id();
    let written = client.apply(&documents, &id, Run::Dry).await?;
    let are_fields_shown = output == Output::Table || !compare::is_asked(&arguments.fleet);
    for document in documents.iter().filter(|_| are_fields_shown) {
        let reference = names::of_document(document);
        let now = match client.get(&reference, Consistency::Linearizable).await {
            Ok(read) => Some(manifest_print::manifest(&read.value)),
            Err(error) if error.code() == "NOT_FOUND" => None,
            Err(error) => return Err(error.into()),
        };
        diff::show(&reference, now.as_ref(), &manifest_print::document(document));
    }
    warn(&written);
    compare::compare(client, output, &documents, &arguments.fleet).await
}

fn read(files: &Files) -> Outcome<Vec<Document>> {
    let sources = files::sources(&files.files)?;
    Ok(tidegate_manifest::parse(&sources)?.into_iter().map(|located| located.value).collect())
}

/// Prints what a write did, and its warnings.
pub fn report(output: Output, written: &Written, is_dry: bool) {
    let objects = written.objects.iter().map(|outcome| row(&outcome.object, outcome.effect, outcome.version)).collect();
    let value = Value::List(objects);
    if output == Output::Table {
        print(output, &value, &[("object", "kind"), ("id", "id"), ("effect", "effect"), ("version", "version")]);
        let verb = if is_dry { "nothing was changed; judged at" } else { "committed at" };
        note(format!("{verb} config version {}", written.config_version));
    } else {
        let whole = map([
            ("objects", value),
            ("config_version", number(Some(written.config_version))),
            ("dry_run", Value::Bool(is_dry)),
            ("warnings", Value::List(written.warnings.iter().map(|warning| text(&warning.message)).collect())),
        ]);
        print(output, &whole, &[]);
    }
    warn(written);
}

/// Tells what the author may not have meant.
pub fn warn(written: &Written) {
    for warning in &written.warnings {
        note(format!("warning: {}: {}", warning.code, warning.message));
    }
}

fn row(object: &ObjectRef, effect: Effect, version: u64) -> Value {
    let effect = match effect {
        Effect::Created => "created",
        Effect::Changed => "changed",
        Effect::Unchanged => "unchanged",
        Effect::Deleted => "deleted",
    };
    map([
        ("kind", text(object.kind().as_str())),
        ("id", text(object.id())),
        ("effect", text(effect)),
        ("version", number(Some(version))),
    ])
}
