//! Opening hours that nobody can read: a window hold whose cron expression or time zone is none never opens.
//!
//! Manifests are refused by their reader; a program that calls the API writes the fields itself. Which expressions and
//! zones can be read is the compiler's knowledge (the zone data comes from the binary), so the state machine takes them
//! as text, and the node that is asked judges before anything is proposed.

use tidegate_eligibility::window_is_readable;
use tidegate_machine::Code;
use tidegate_model::{Command, HoldSpec, ObjectRef, Spec};
use tidegate_proto::types::v1 as types;

use crate::codec::reference_out;

const RULE: &str = "must have a cron expression of five fields, a duration and a time zone that open some time";

/// The rejection of a write with a hold that would never let anything through; nothing for any other.
pub(crate) fn rejection(command: &Command) -> Option<types::Rejection> {
    let holds = unreadable(command);
    let (_, first) = holds.first()?;
    let message = format!("hold {}: window.cron: {:?} {RULE}", first.id, cron(first));
    let fields = holds.iter().map(|(document, hold)| violation(*document, hold)).collect();
    let code = Code::InvalidObject.as_str().to_owned();
    Some(types::Rejection { code, message, fields, ..types::Rejection::default() })
}

/// The holds of the command whose window cannot be read, each with the number of its document.
fn unreadable(command: &Command) -> Vec<(u32, &HoldSpec)> {
    match command {
        Command::Apply(documents) => {
            let holds = (0..).zip(documents).filter_map(|(number, document)| match &document.spec {
                Spec::Hold(hold) => Some((number, hold)),
                Spec::Product(_)
                | Spec::Cohort(_)
                | Spec::Bundle(_)
                | Spec::Release(_)
                | Spec::Policy(_)
                | Spec::Device(_)
                | Spec::Override(_)
                | Spec::Exclusion(_)
                | Spec::Attestation(_) => None,
            });
            holds.filter(|(_, hold)| hold.window.as_ref().is_some_and(|window| !window_is_readable(window))).collect()
        }
        Command::Batch(commands) => commands.iter().flat_map(unreadable).collect(),
        Command::Transition(_) | Command::Delete(_) | Command::Settings(_) | Command::Token(_) | Command::Steer(_) => Vec::new(),
    }
}

fn cron(hold: &HoldSpec) -> &str {
    hold.window.as_ref().map_or("", |window| window.cron.as_str())
}

fn violation(document: u32, hold: &HoldSpec) -> types::FieldViolation {
    types::FieldViolation {
        document: Some(document),
        field: "window.cron".to_owned(),
        value: cron(hold).to_owned(),
        rule: RULE.to_owned(),
        object: Some(reference_out(&ObjectRef::Hold(hold.id.clone()))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tidegate_model::{Document, HoldId, HoldKind, HoldScope, ProductId, Span, Window};

    use super::*;

    fn put(id: &str, cron: &str, timezone: Option<&str>) -> Command {
        let window = Window { cron: cron.to_owned(), duration: Span::from_secs(3_600), timezone: timezone.map(str::to_owned) };
        let hold = HoldSpec {
            id: HoldId::new(id).unwrap(),
            product: ProductId::new("os").unwrap(),
            scope: HoldScope::Product,
            kind: HoldKind::Window,
            release: None,
            bundle: None,
            from: None,
            until: None,
            window: Some(window),
            critical_pierces: false,
            reason: String::new(),
        };
        Command::Apply(vec![Document { expected_version: None, spec: Spec::Hold(hold) }])
    }

    #[test]
    fn windows_that_never_open_are_refused_wherever_they_stand() {
        assert_eq!(rejection(&put("h", "0 2 * * *", Some("Europe/Berlin"))), None);
        let [zone, cron] = [put("h", "0 2 * * *", Some("Mars/Base")), put("k", "61 2 * * *", None)];
        for bad in [&zone, &cron, &Command::Batch(vec![put("g", "0 2 * * *", None), zone.clone()])] {
            let refused = rejection(bad).unwrap();
            assert_eq!(refused.code, "INVALID_OBJECT");
            assert_eq!(refused.fields.len(), 1);
        }
        let refused = rejection(&cron).unwrap();
        assert_eq!(refused.message, format!("hold k: window.cron: \"61 2 * * *\" {RULE}"));
        assert_eq!(refused.fields[0].field, "window.cron");
    }
}
