//! `get`, `delete`, `history`, `export` and `device`.

use tidegate_client::{Client, Consistency};
use tidegate_manifest::appcast;
use tidegate_manifest::print::{self as manifest_print, Value};
use tidegate_model::{CohortId, Object, ObjectKind, ProductId, Timestamp};
use tidegate_platform::Platform;
use tidegate_proto::types::v1 as types;

use super::apply::warn;
use crate::cli::{self, Delete, Device, Export, Get, ObjectName, Output};
use crate::connect::request_id;
use crate::exit::{Failure, Outcome};
use crate::names;
use crate::output::{map, note, number, print, print_documents, print_text, text};
use crate::time::instant;

/// Most versions that `history` prints: all that the cluster keeps.
const HISTORY_ROWS_MAX: usize = 1_000;

/// Prints one object, or all of a kind.
pub async fn get(client: &Client, output: Output, arguments: &Get) -> Outcome {
    let kind = kind(&arguments.kind)?;
    let consistency = match arguments.consistency {
        cli::Consistency::Linearizable => Consistency::Linearizable,
        cli::Consistency::Local => Consistency::Local,
    };
    match &arguments.id {
        Some(id) => {
            let reference = names::resolve(client, kind, id, consistency).await?;
            let object = client.get(&reference, consistency).await?.value;
            show(output, kind, vec![view(&object)], true);
        }
        None => {
            let objects = client.list(kind, None, consistency).await?.value;
            show(output, kind, objects.iter().map(view).collect(), false);
        }
    }
    Ok(())
}

/// Removes an object.
pub async fn delete(client: &Client, output: Output, arguments: &Delete) -> Outcome {
    let kind = kind(&arguments.object.kind)?;
    let reference = names::resolve(client, kind, &arguments.object.id, Consistency::Linearizable).await?;
    let id = request_id(client, &arguments.request)?;
    let written = client.delete(&reference, arguments.expected_version, &id).await?;
    let gone = map([("kind", text(kind.as_str())), ("id", text(reference.id())), ("effect", text("deleted"))]);
    if output == Output::Table {
        print(output, &gone, &[("object", "kind"), ("id", "id"), ("effect", "effect")]);
        note(format!("committed at config version {}", written.config_version));
    } else {
        let config_version = number(Some(written.config_version));
        print(output, &map([("objects", Value::List(vec![gone])), ("config_version", config_version)]), &[]);
    }
    warn(&written);
    Ok(())
}

/// Prints the versions of an object, newest first.
pub async fn history(client: &Client, output: Output, arguments: &ObjectName) -> Outcome {
    let kind = kind(&arguments.kind)?;
    let reference = match names::resolve(client, kind, &arguments.id, Consistency::Linearizable).await {
        Err(Failure::Refused(_)) => names::parse(kind, &arguments.id)?, // A deleted object still has its history.
        other => other?,
    };
    let rows = client.history(&reference, HISTORY_ROWS_MAX).await?;
    let values = rows
        .into_iter()
        .map(|row| {
            let content = match row.change.and_then(|change| change.kind) {
                Some(types::change::Kind::Put(object)) => Object::try_from(object).map(|object| view(&object)).ok(),
                _ => None,
            };
            map([
                ("version", number(Some(row.version))),
                ("config_version", number(Some(row.config_version))),
                ("at", instant(row.at_ms)),
                ("by", text(row.principal)),
                ("deleted", Value::Bool(content.is_none())),
                ("object", content.unwrap_or(Value::Null)),
            ])
        })
        .collect();
    let columns =
        [("version", "version"), ("config version", "config_version"), ("at", "at"), ("by", "by"), ("deleted", "deleted")];
    print_documents(output, values, &columns);
    Ok(())
}

/// Prints manifests that recreate everything in an empty cluster, or a cohort as a feed.
pub async fn export(client: &Client, output: Output, arguments: &Export) -> Outcome {
    let objects = client.export(None, Consistency::Linearizable).await?.value;
    if let (true, Some(product), Some(cohort)) = (arguments.appcast, &arguments.product, &arguments.cohort) {
        let product = ProductId::new(product).map_err(|error| Failure::usage(error.at("product")))?;
        let cohort = CohortId::new(cohort).map_err(|error| Failure::usage(error.at("cohort")))?;
        let now = Timestamp::from_millis(Platform::system().clock.wall_ms());
        let feed = appcast::export(&objects, &product, &cohort, arguments.channels, now);
        let feed = feed.map_err(|rule| Failure::Refused(format!("NOT_FOUND: {rule}")))?;
        feed.warnings.iter().for_each(|warning| note(format!("warning: {warning}")));
        print_text(&feed.xml);
        return Ok(());
    }
    let output = if output == Output::Table { Output::Yaml } else { output };
    print_documents(output, manifest_print::export(&objects), &[]);
    Ok(())
}

/// Device records.
pub async fn device(client: &Client, output: Output, arguments: &Device) -> Outcome {
    let (kind, id) = match arguments {
        Device::List => ("device", None),
        Device::Get { id } => ("device", Some(id.clone())),
    };
    get(client, output, &Get { kind: kind.to_owned(), id, consistency: cli::Consistency::Linearizable }).await
}

/// Reads a kind as manifests write it.
pub fn kind(text: &str) -> Outcome<ObjectKind> {
    ObjectKind::parse(text).ok_or_else(|| {
        let kinds: Vec<&str> = ObjectKind::ALL.into_iter().map(ObjectKind::as_str).collect();
        Failure::usage(format!("kind: {text:?} must be one of {}", kinds.join(", ")))
    })
}

/// The manifest with its status, and the compare-and-set number beside it.
pub fn view(object: &Object) -> Value {
    manifest_print::view(object)
}

fn show(output: Output, kind: ObjectKind, mut values: Vec<Value>, is_one: bool) {
    let columns = columns(kind);
    if is_one && output != Output::Table {
        return print(output, &values.remove(0), columns);
    }
    print_documents(output, values, columns);
}

/// What the table of a kind shows.
fn columns(kind: ObjectKind) -> &'static [(&'static str, &'static str)] {
    match kind {
        ObjectKind::Product => {
            &[("id", "id"), ("scheme", "version_scheme"), ("default cohort", "default_cohort"), ("rev", "status.version")]
        }
        ObjectKind::Cohort => &[("id", "id"), ("product", "product"), ("rev", "status.version")],
        ObjectKind::Bundle => {
            &[("id", "id"), ("product", "product"), ("version", "version"), ("state", "status.state"), ("rev", "status.version")]
        }
        ObjectKind::Release => &[
            ("id", "id"),
            ("cohort", "cohort"),
            ("version", "version"),
            ("state", "status.state"),
            ("stage", "status.stage_index"),
            ("required", "required"),
            ("disabled", "disabled"),
            ("next", "status.next"),
            ("rev", "status.version"),
        ],
        ObjectKind::Policy => &[("release", "release"), ("stages", "stages"), ("rev", "status.version")],
        ObjectKind::Device => &[
            ("id", "id"),
            ("product", "product"),
            ("cohort", "cohort"),
            ("state", "state"),
            ("tags", "tags"),
            ("rev", "status.version"),
        ],
        ObjectKind::Hold => &[
            ("id", "id"),
            ("product", "product"),
            ("hold", "hold"),
            ("scope", "scope"),
            ("until", "until"),
            ("rev", "status.version"),
        ],
        ObjectKind::Override => {
            &[("id", "id"), ("product", "product"), ("bundle", "bundle"), ("ends", "ends_at"), ("rev", "status.version")]
        }
        ObjectKind::Exclusion => &[("id", "id"), ("key", "key"), ("groups", "groups"), ("rev", "status.version")],
        ObjectKind::Attestation => &[("bundle", "bundle"), ("type", "type"), ("by", "by"), ("evidence", "evidence")],
    }
}
