//! Products, cohorts, bundles, releases, devices and attestations as maps.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::{
    Artifact, AttestationSpec, Bundle, BundleState, Cohort, Device, DeviceState, InstallMode, Product, ReleaseSpec, Requirement,
    Selector, Spec, Urgency, VersionScheme,
};

use super::map::{Map, only};
use super::value::Value;
use super::{policy, restraint};

/// Any wanted object.
pub fn spec(spec: &Spec) -> Map {
    match spec {
        Spec::Product(spec) => product(spec),
        Spec::Cohort(spec) => cohort(spec),
        Spec::Bundle(spec) => bundle(spec),
        Spec::Release(spec) => release(spec),
        Spec::Policy(spec) => policy::policy(spec),
        Spec::Device(spec) => device(spec),
        Spec::Hold(spec) => restraint::hold(spec),
        Spec::Override(spec) => restraint::override_(spec),
        Spec::Exclusion(spec) => restraint::exclusion(spec),
        Spec::Attestation(spec) => attestation(spec),
    }
}

fn product(spec: &Product) -> Map {
    let scheme = match spec.version_scheme {
        VersionScheme::SemVer => "semver",
        VersionScheme::Dotted => "dotted",
        VersionScheme::Integer => "integer",
    };
    let retry = spec
        .retry
        .map(|retry| Map::default().put("limit", Value::number(retry.limit)).text("backoff", retry.backoff).into_value());
    let window = (spec.active_window != Product::ACTIVE_WINDOW_DEFAULT).then_some(spec.active_window);
    Map::default()
        .text("kind", "product")
        .text("id", &spec.id)
        .text("version_scheme", scheme)
        .flag("allow_unregistered", spec.allow_unregistered)
        .optional_text("default_cohort", spec.default_cohort.as_ref())
        .optional_text("max_staleness", spec.max_staleness)
        .some_texts("required_attestations", &spec.required_attestations)
        .optional_text("poll_interval", spec.poll_interval)
        .some_texts("trusted_keys", &spec.trusted_keys)
        .flag("client_phased", spec.client_phased)
        .optional_text("active_window", window)
        .optional("retry", retry)
        .flag("flatten_reasons", spec.flatten_reasons)
}

fn cohort(spec: &Cohort) -> Map {
    Map::default()
        .text("kind", "cohort")
        .text("id", &spec.id)
        .text("product", &spec.product)
        .some_list("rules", spec.rules.iter().map(|rule| selector(rule).into_value()))
        .optional_text("entry_release", spec.entry_release.as_ref())
        .optional_text("follows", spec.follows.as_ref())
        .optional_text("fixed_salt", spec.fixed_salt)
}

fn bundle(spec: &Bundle) -> Map {
    let provides = |provides: &tidegate_model::Provides| {
        Map::default().text("name", &provides.name).text("version", provides.version).into_value()
    };
    let signature = |signature: &tidegate_model::Signature| {
        Map::default().text("key", &signature.key).optional_text("signature", signature.signature.as_ref()).into_value()
    };
    Map::default()
        .text("kind", "bundle")
        .text("id", &spec.id)
        .text("product", &spec.product)
        .optional_text("version", spec.version.as_ref())
        .some_list("artifacts", spec.artifacts.iter().map(artifact))
        .some_map("requires", requirement(&spec.requires))
        .some_list("provides", spec.provides.iter().map(provides))
        .optional("security_epoch", (spec.security_epoch > 0).then(|| Value::number(spec.security_epoch)))
        .flag("recalled", spec.state == BundleState::Recalled)
        .some_list("signatures", spec.signatures.iter().map(signature))
}

fn artifact(artifact: &Artifact) -> Value {
    Map::default()
        .text("name", &artifact.name)
        .put("size", Value::number(artifact.size))
        .text("sha256", &artifact.sha256)
        .optional_text("base_sha256", artifact.base_sha256.as_ref())
        .optional_text("url", artifact.url.as_ref())
        .into_value()
}

fn requirement(requirement: &Requirement) -> Map {
    let os = Map::default().optional_text("min", requirement.os_min).optional_text("max", requirement.os_max);
    let framework = |framework: &tidegate_model::Framework| {
        Map::default().text("name", &framework.name).text("min", framework.min).into_value()
    };
    Map::default()
        .some_map("attributes", accepted(&requirement.attributes))
        .some_map("os", os)
        .some_list("frameworks", requirement.frameworks.iter().map(framework))
}

/// For each key, the accepted values.
fn accepted(attributes: &BTreeMap<String, BTreeSet<String>>) -> Map {
    let list = |values: &BTreeSet<String>| Value::List(values.iter().map(Value::text).collect());
    attributes.iter().fold(Map::default(), |map, (name, values)| map.put(name, list(values)))
}

/// Who is meant; empty for everybody.
pub fn selector(selector: &Selector) -> Map {
    let tags = Map::default()
        .some_texts("any_of", &selector.tags_any_of)
        .some_texts("all_of", &selector.tags_all_of)
        .some_texts("none_of", &selector.tags_none_of);
    Map::default()
        .some_map("attributes", accepted(&selector.attributes))
        .some_map("tags", tags)
        .some_texts("devices", &selector.devices)
}

fn release(spec: &ReleaseSpec) -> Map {
    let urgency = match &spec.urgency {
        Urgency::Normal => None,
        Urgency::Critical => Some(Value::text("critical")),
        Urgency::CriticalBelow(version) => Some(only("critical_below", Value::text(version))),
    };
    let install_mode = match &spec.install_mode {
        InstallMode::Auto => None,
        InstallMode::Ask { auto_from } => {
            let rule = Map::default().optional_text("auto_from", auto_from.as_ref()).into_value();
            Some(only("ask", rule))
        }
        InstallMode::Info { versions, below } => {
            let rule = Map::default().some_texts("versions", versions).optional_text("below", below.as_ref());
            Some(only("info", rule.into_value()))
        }
    };
    Map::default()
        .text("kind", "release")
        .text("id", &spec.id)
        .text("product", &spec.product)
        .text("cohort", &spec.cohort)
        .text("bundle", &spec.bundle)
        .optional_text("version", spec.version.as_ref())
        .optional_text("version_requirement", spec.version_requirement.as_ref())
        .flag("required", spec.required)
        .optional("disabled", spec.disabled.map(Value::Bool))
        .flag("dead_end", spec.dead_end)
        .some_map("requirement", requirement(&spec.requirement))
        .optional("urgency", urgency)
        .optional("install_mode", install_mode)
        .optional_instant("published_at", spec.published_at)
        .some_text("notes", &spec.notes)
        .some_texts("previous", &spec.previous)
        .optional_text("next", spec.next.as_ref())
        .optional_text("adopt", spec.adopt.then_some("completed"))
        .flag("replace", spec.replace)
}

fn device(spec: &Device) -> Map {
    let attributes = spec.attributes.iter().fold(Map::default(), |map, (name, value)| map.text(name, value));
    Map::default()
        .text("kind", "device")
        .text("id", &spec.key)
        .text("product", &spec.product)
        .optional_text("cohort", spec.cohort.as_ref())
        .some_map("attributes", attributes)
        .some_texts("tags", &spec.tags)
        .optional_text("state", (spec.state == DeviceState::Decommissioned).then_some("decommissioned"))
        .optional("security_epoch", (spec.security_epoch > 0).then(|| Value::number(spec.security_epoch)))
}

fn attestation(spec: &AttestationSpec) -> Map {
    Map::default()
        .text("kind", "attestation")
        .text("bundle", &spec.bundle)
        .text("type", &spec.kind)
        .optional_text("by", spec.by.as_ref())
        .some_text("evidence", &spec.evidence)
}
