//! `check`: what a device would hear.

use tidegate_client::Client;
use tidegate_eligibility::Reason;
use tidegate_manifest::print::Value;
use tidegate_model::Timestamp;
use tidegate_proto::device::v1 as device;

use crate::cli::{Check, Output};
use crate::exit::{Failure, Outcome};
use crate::output::{map, number, print, print_text, text};
use crate::time::{instant, parse_instant};

/// Asks a node and prints its decision.
pub async fn check(client: &Client, output: Output, arguments: &Check) -> Outcome {
    let at = arguments.at.as_deref().map(|text| parse_instant("at", text)).transpose()?;
    let checked = client.check(&request(arguments)?, at).await?;
    let decision = &checked.decision;
    let value = map([
        ("eligible", Value::Bool(decision.eligible)),
        ("reason", text(&decision.reason)),
        ("target_release", optional(decision.target_release.as_ref())),
        ("target_bundle", optional(decision.target_bundle.as_ref())),
        ("version", optional(decision.version.as_ref())),
        ("artifacts", Value::List(decision.artifacts.iter().map(artifact).collect())),
        ("urgency", text(&decision.urgency)),
        ("install_mode", text(&decision.install_mode)),
        ("source", text(&decision.source)),
        ("config_version", number(Some(decision.config_version))),
        ("staleness_ms", number(decision.staleness_ms)),
        ("node", text(&decision.node)),
        ("retry_after_s", number(Some(u64::from(decision.retry_after_s)))),
        ("next_eligible_at", decision.next_eligible_at_ms.map_or(Value::Null, instant)),
        ("decided_at", instant(checked.decided_at.as_millis())),
        ("hypothetical", Value::Bool(checked.is_hypothetical)),
        ("trace", Value::List(decision.trace.iter().map(step).collect())),
    ]);
    let columns = [
        ("eligible", "eligible"),
        ("reason", "reason"),
        ("release", "target_release"),
        ("version", "version"),
        ("next eligible", "next_eligible_at"),
        ("config version", "config_version"),
        ("node", "node"),
        ("hypothetical", "hypothetical"),
    ];
    print(output, &value, &columns);
    if output == Output::Table && !decision.trace.is_empty() {
        let steps = Value::List(decision.trace.iter().map(step).collect());
        print(output, &steps, &[("step", "step"), ("subject", "subject"), ("code", "code"), ("detail", "detail")]);
        in_words(decision).iter().for_each(|sentence| print_text(&format!("{sentence}\n")));
    }
    Ok(())
}

/// Why the device hears this, and what has to happen for it to hear something else.
fn in_words(decision: &device::CheckResponse) -> Vec<String> {
    // A node of a newer build may give a reason that this program does not know.
    let Some(reason) = Reason::parse(&decision.reason) else { return Vec::new() };
    let when = match decision.next_eligible_at_ms {
        Some(at) => Some(format!("when: asking again helps from {} on", Timestamp::from_millis(at))),
        None => reason.way_out().map(|way_out| format!("when: this changes when {way_out}")),
    };
    [Some(format!("why: {}", reason.meaning())), when].into_iter().flatten().collect()
}

fn request(arguments: &Check) -> Outcome<device::CheckRequest> {
    let mut request = device::CheckRequest {
        product: arguments.product.clone(),
        device: arguments.device.clone(),
        release: arguments.release.clone(),
        bundle: arguments.bundle.clone(),
        version: arguments.version.clone(),
        tags: arguments.tags.clone(),
        security_epoch: arguments.security_epoch,
        explain: arguments.explain,
        ..device::CheckRequest::default()
    };
    if arguments.interactive {
        request.set_mode(device::Mode::Interactive);
    }
    for pair in &arguments.attributes {
        let Some((key, value)) = pair.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(Failure::usage(format!("attr: {pair:?} must be KEY=VALUE")));
        };
        if request.attributes.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(Failure::usage(format!("attr: {key:?} must be given once")));
        }
    }
    Ok(request)
}

fn optional(value: Option<&String>) -> Value {
    value.map_or(Value::Null, Value::text)
}

fn artifact(artifact: &device::Artifact) -> Value {
    map([
        ("name", text(&artifact.name)),
        ("size", number(Some(artifact.size))),
        ("sha256", text(&artifact.sha256)),
        ("url", optional(artifact.url.as_ref())),
    ])
}

fn step(step: &device::TraceStep) -> Value {
    map([
        ("step", text(&step.step)),
        ("subject", text(&step.subject)),
        ("code", text(&step.code)),
        ("detail", text(&step.detail)),
    ])
}
