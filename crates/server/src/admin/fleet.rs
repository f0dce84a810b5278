//! What many devices would hear at many instants, decided on one snapshot away from the async threads.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_model::Timestamp;
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::device::v1::CheckRequest;
use tonic::Status;

use super::Desk;
use super::check::Asked;
use crate::limits::FLEET_CHECKS_MAX;
use crate::published::Published;
use crate::refusal::Door;

/// Answers `CheckFleet`.
pub(super) async fn check_fleet(desk: &Desk, request: admin::CheckFleetRequest) -> Result<admin::CheckFleetResponse, Status> {
    let context = &desk.0;
    let checks = request.devices.len().saturating_mul(request.at_ms.len().max(1));
    if checks > FLEET_CHECKS_MAX {
        let rule = format!("devices times instants must be <= {FLEET_CHECKS_MAX}");
        return Err(Door::field("devices", checks.to_string(), rule).into());
    }
    let published = context.read(request.consistency).await?;
    let at_ms = if request.at_ms.is_empty() { vec![context.handle()?.freshness().decision_wall_ms()] } else { request.at_ms };
    let stamp = published.snapshot.stamp();
    let digest = published.snapshot.digest().to_string();
    let (product, devices) = (request.product, request.devices);
    let work = move || -> Result<Vec<_>, Door> {
        at_ms.into_iter().map(|at_ms| instant(&published, &product, &devices, at_ms)).collect()
    };
    let instants = context.blocking("fleet check", work).await??;
    let node = context.config.node.to_string();
    Ok(admin::CheckFleetResponse { config_version: stamp.config_version, digest, node, instants })
}

/// What tells one answer from another: reason, release, bundle, and when to ask again.
type Answer = (&'static str, Option<String>, Option<String>, Option<i64>);

fn instant(published: &Arc<Published>, product: &str, devices: &[CheckRequest], at_ms: i64) -> Result<admin::FleetInstant, Door> {
    let now = Timestamp::from_millis(at_ms);
    let mut answers = Vec::new();
    let mut known: BTreeMap<Answer, u32> = BTreeMap::new();
    let mut answer_of_device = Vec::with_capacity(devices.len());
    for device in devices {
        let asked = Asked::new(device, product)?;
        let decision = asked.judged(tidegate_eligibility::decide(&published.snapshot, &asked.request(), now))?;
        let release = decision.target.and_then(|target| target.release).map(ToString::to_string);
        let bundle = decision.target.map(|target| target.bundle.id.to_string());
        let next = decision.next_eligible_at.map(Timestamp::as_millis);
        let key = (decision.reason.as_str(), release, bundle, next);
        let number = match known.get(&key) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(answers.len()).expect("no more answers than devices, which are bounded");
                answers.push(admin::FleetAnswer {
                    reason: key.0.to_owned(),
                    target_release: key.1.clone(),
                    target_bundle: key.2.clone(),
                    next_eligible_at_ms: next,
                });
                known.insert(key, number);
                number
            }
        };
        answer_of_device.push(number);
    }
    Ok(admin::FleetInstant { at_ms, answers, answer_of_device })
}
