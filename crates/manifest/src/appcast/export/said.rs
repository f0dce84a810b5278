//! What of a release a feed can say.

use tidegate_model::{Bundle, Exposure, InstallMode, Policy, Ppm, Ramp, Release, Requirement, Selector, Timestamp, VersionText};

/// Checks what has no word in a feed.
///
/// # Errors
/// What that is.
pub fn said(release: &Release, bundle: &Bundle, version: &VersionText) -> Result<(), String> {
    let is_read_only = match &release.install_mode {
        InstallMode::Info { versions, below } => versions.is_empty() && below.is_none(),
        InstallMode::Auto | InstallMode::Ask { .. } => false,
    };
    let full = bundle.artifacts.iter().find(|artifact| artifact.base_sha256.is_none());
    if full.is_none_or(|artifact| artifact.url.is_none()) && !is_read_only {
        return Err("its bundle has no file with a URL".to_owned());
    }
    if release.install_mode == (InstallMode::Ask { auto_from: None }) {
        return Err("it always asks the user, and a feed can only name versions that go on by themselves".to_owned());
    }
    for requirement in [&bundle.requires, &release.requirement] {
        let is_arm = |(name, values): (&String, &std::collections::BTreeSet<String>)| {
            name == "arch" && values.len() == 1 && values.contains("arm64")
        };
        if !requirement.frameworks.is_empty() || !requirement.attributes.iter().all(is_arm) {
            return Err("it asks for hardware or frameworks that a feed has no words for".to_owned());
        }
    }
    if release.version_requirement.is_some() && from(release, version).is_none() {
        let requirement = release.version_requirement.as_deref().unwrap_or_default();
        if requirement != format!("<{version}") {
            return Err(format!("a feed has no words for the versions that may come to it, {requirement}"));
        }
    }
    Ok(())
}

/// The lowest version that may come to it, out of `>=FROM, <OWN`.
pub fn from<'r>(release: &'r Release, version: &VersionText) -> Option<&'r str> {
    let requirement = release.version_requirement.as_deref()?.strip_prefix(">=")?;
    requirement.strip_suffix(&format!(", <{version}"))
}

/// What bundle and release together ask of the operating system, and whether they ask for arm64.
pub fn requirement(release: &Release, bundle: &Bundle) -> (Requirement, bool) {
    let (of_bundle, own) = (&bundle.requires, &release.requirement);
    let os_min = of_bundle.os_min.max(own.os_min);
    let os_max = [of_bundle.os_max, own.os_max].into_iter().flatten().min();
    let is_arm = !of_bundle.attributes.is_empty() || !own.attributes.is_empty();
    (Requirement { os_min, os_max, ..Requirement::default() }, is_arm)
}

/// How the latest release is phased at `now`, if it is not for everybody: its beginning, and seconds between groups.
///
/// # Errors
/// It is limited in a way that a feed cannot say.
pub fn phase(release: &Release, policy: &Policy, now: Timestamp) -> Result<Option<(Timestamp, u64)>, String> {
    let rollout = &release.rollout;
    if rollout.waits_for_trigger(now) {
        return Err("it waits for its trigger".to_owned());
    }
    let stage = usize::try_from(rollout.stage_index).ok().and_then(|index| policy.stages.get(index));
    let Some(stage) = stage else { return Err("its stage is not in its policy".to_owned()) };
    let limited = || Err(format!("its stage {} is not for everybody, nor phased in seven groups of whole seconds", stage.name));
    if stage.selector != Selector::default() || stage.domains.is_some() {
        return limited();
    }
    let origin = rollout.ramp_origin(release.published_at);
    let at_once = |origin: Option<Timestamp>| Ok(origin.map(|origin| (origin, 0)));
    match &stage.exposure {
        Exposure::Ramp(Ramp::Groups { groups: 7, interval }) if interval.as_millis() % 1_000 == 0 => {
            Ok(origin.map(|origin| (origin, interval.as_millis() / 1_000)))
        }
        Exposure::Ramp(Ramp::Steps(steps)) if matches!(steps.as_slice(), [only] if only.share == Ppm::EVERYBODY) => {
            at_once(origin.map(|origin| origin.plus(steps[0].offset)))
        }
        exposure if exposure.is_everybody(origin, now) => Ok(None),
        _ => limited(),
    }
}
