//! `audit tail`.

use tidegate_client::Client;
use tidegate_manifest::print::Value;
use tidegate_proto::storage::v1::audit_row;

use crate::cli::{Audit, Output};
use crate::exit::Outcome;
use crate::output::{map, number, print_documents, text};
use crate::time::instant;

/// Prints the newest records, oldest of them first.
pub async fn audit(client: &Client, output: Output, arguments: &Audit) -> Outcome {
    let Audit::Tail { lines } = arguments;
    let mut rows = client.audit(None, usize::try_from(*lines).unwrap_or(usize::MAX)).await?;
    rows.reverse();
    let values = rows
        .into_iter()
        .map(|row| {
            map([
                ("index", number(Some(row.index))),
                ("at", instant(row.at_ms)),
                ("by", text(row.principal)),
                ("action", text(row.action)),
                ("reason", text(row.reason.unwrap_or_default())),
                ("result", text(verdict(row.result))),
                ("request_id", text(row.request_id)),
                ("replayed", Value::Bool(row.replayed)),
            ])
        })
        .collect();
    let columns =
        [("index", "index"), ("at", "at"), ("by", "by"), ("action", "action"), ("reason", "reason"), ("result", "result")];
    print_documents(output, values, &columns);
    Ok(())
}

fn verdict(result: Option<audit_row::Result>) -> String {
    match result {
        Some(audit_row::Result::ConfigVersion(config_version)) => format!("done at {config_version}"),
        Some(audit_row::Result::Refused(code)) => code,
        None => String::new(),
    }
}
