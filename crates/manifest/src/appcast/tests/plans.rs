//! What changes when a feed changes, and what does not.

use expect_test::{Expect, expect};
use tidegate_model::{Timestamp, Verb};

use super::cluster::{Cluster, Host, day, feed, host, item, phased};

fn channel(name: &str) -> String {
    format!("<sparkle:channel>{name}</sparkle:channel>")
}

fn shown(plan: &crate::stream::Plan) -> String {
    let warnings = plan.warnings.iter().filter(|warning| !warning.starts_with("the feed names no SHA-256"));
    let warnings = warnings.map(|line| format!("warning: {line}\n"));
    plan.summary.iter().map(|line| format!("{line}\n")).chain(warnings).collect()
}

/// Imports the feeds a day after the other from the feeds' date on; shows the last plan.
fn check(feeds: &[String], expected: &Expect) -> Cluster {
    let mut cluster = Cluster::new();
    let mut last = String::new();
    for (text, days) in feeds.iter().zip(0..) {
        last = shown(&cluster.import(text, day(days)).unwrap());
    }
    expected.assert_eq(&last);
    cluster
}

#[test]
fn a_first_import() {
    let items = [item("3.0", &phased("86400")), item("2.0", ""), item("4.0", &channel("beta"))];
    check(
        &[feed(&items)],
        &expect![[r#"
            new product app: dotted versions, open to unregistered devices, hears the groups that devices name
            new cohort stable
            new release 2.0: offered
            new release 3.0: offered, in 7 groups, one each 1d
            beta: new cohort beta, follows stable
            beta: new release 2.0@beta: offered
            beta: new release 4.0: offered
        "#]],
    );
}

#[test]
fn an_edit_changes_only_what_changed() {
    let before = [item("2.0", ""), item("3.0", &phased("86400"))];
    check(&[feed(&before), feed(&before)], &expect![[r#""#]]);
    check(
        &[feed(&before), feed(&[item("2.0", ""), item("3.0", &phased("172800"))])],
        &expect![[r#"
        3.0: in 7 groups, one each 2d
    "#]],
    );
    let critical = phased("86400") + "<sparkle:criticalUpdate/><title>Fixes a hole</title>";
    check(
        &[feed(&before), feed(&[item("2.0", ""), item("3.0", &critical)])],
        &expect![[r#"
        3.0: notes, urgency
    "#]],
    );
    check(
        &[feed(&before), feed(&[item("3.0", &phased("86400"))])],
        &expect![[r#"
        2.0: is not offered
    "#]],
    );
    let os = "<sparkle:minimumSystemVersion>12</sparkle:minimumSystemVersion>";
    check(
        &[feed(&before), feed(&[item("2.0", os), item("3.0", &phased("86400"))])],
        &expect![[r#"
        2.0: requirement
    "#]],
    );
}

#[test]
fn a_new_item_completes_the_one_that_was_phased_and_holds_it_until_its_ramp_is_over() {
    let older = item("3.0", &phased("86400"));
    let mut cluster = check(
        &[feed(&[item("2.0", ""), older.clone()]), feed(&[item("2.0", ""), older.clone(), item("4.0", "")])],
        &expect![[r#"
        complete 3.0: another release follows it in the stream
        3.0: is not offered
        new release 4.0: offered
        warning: 3.0: is throttled but not the newest: nobody gets it until the stream offers it to everybody
    "#]],
    );
    assert_eq!(cluster.offered(&host("1.0"), day(1)).as_deref(), Some("4.0"));
    let plan = cluster.import(&feed(&[item("2.0", ""), older, item("4.0", "")]), day(7)).unwrap();
    expect![[r#"
        3.0: is offered
    "#]]
    .assert_eq(&shown(&plan));
}

#[test]
fn a_ramp_that_is_over_completes_its_release() {
    let text = feed(&[item("2.0", &phased("86400"))]);
    let mut cluster = check(
        std::slice::from_ref(&text),
        &expect![[r#"
        new product app: dotted versions, open to unregistered devices, hears the groups that devices name
        new cohort stable
        new release 2.0: offered, in 7 groups, one each 1d
    "#]],
    );
    assert!(cluster.import(&text, day(5)).unwrap().commands.is_empty());
    expect![[r#"
        complete 2.0: the stream offers it to everybody
    "#]]
    .assert_eq(&shown(&cluster.import(&text, day(6)).unwrap()));
}

#[test]
fn what_was_stopped_by_hand_stays_so() {
    let text = feed(&[item("2.0", ""), item("3.0", &phased("86400"))]);
    let mut cluster = check(
        std::slice::from_ref(&text),
        &expect![[r#"
        new product app: dotted versions, open to unregistered devices, hears the groups that devices name
        new cohort stable
        new release 2.0: offered
        new release 3.0: offered, in 7 groups, one each 1d
    "#]],
    );
    cluster.verb("2.0", Verb::Disable, day(1));
    cluster.verb("3.0", Verb::Pause, day(1));
    let plan = cluster.import(&text, day(2)).unwrap();
    assert!(plan.commands.is_empty());
    expect![[r#"
        warning: 2.0: is disabled by hand and stays so
        warning: 3.0: is paused by hand and stays so
    "#]]
    .assert_eq(&shown(&plan));
}

#[test]
fn what_went_to_everybody_by_hand_is_not_phased_again() {
    let text = feed(&[item("3.0", &phased("86400"))]);
    let mut cluster = check(
        std::slice::from_ref(&text),
        &expect![[r#"
        new product app: dotted versions, open to unregistered devices, hears the groups that devices name
        new cohort stable
        new release 3.0: offered, in 7 groups, one each 1d
    "#]],
    );
    cluster.verb("3.0", Verb::Complete, day(1));
    let plan = cluster.import(&text, day(2)).unwrap();
    assert!(plan.commands.is_empty());
    expect![[r#"
        warning: 3.0: has gone to everybody here and stays so, although the feed phases it
    "#]]
    .assert_eq(&shown(&plan));
}

#[test]
fn an_item_that_leaves_its_channel_for_everybody_stays_with_whoever_has_it() {
    let before = feed(&[item("3.0", ""), item("4.0", &channel("beta"))]);
    let after = feed(&[item("3.0", ""), item("4.0", &phased("86400"))]);
    let cluster = check(
        &[before, after],
        &expect![[r#"
        new release 4.0@stable: offered, in 7 groups, one each 1d
        warning: cohort beta follows stable but is no channel of the feed: it is left as it is
    "#]],
    );
    let beta = Host { channel: Some("beta"), group: Some(6), ..host("1.0") };
    assert_eq!(cluster.offered(&beta, day(1)).as_deref(), Some("4.0"));
    assert_eq!(cluster.offered(&Host { channel: None, ..beta }, day(1)).as_deref(), Some("3.0"));
}

/// A feed as Sparkle's own tool writes them, with what years have left in it.
#[test]
fn a_feed_as_it_is_found() {
    let text = include_str!("feeds/editor.xml");
    let at = Timestamp::from_secs(1_718_450_000); // 15 June 2024, the second day of 3104
    let mut cluster = Cluster::new();
    let plan = cluster.import(text, at).unwrap();
    expect![[r#"
        new product app: dotted versions, open to unregistered devices, hears the groups that devices name
        new cohort stable
        new release 2950: offered
        new release 3007: offered
        new release 3104: offered, in 7 groups, one each 1d
        warning: line 32: item 3007: sparkle:ignoreSkippedUpgradesBelowVersion is not known and ignored
        warning: line 44: item 5: is for windows: the item is left out
    "#]]
    .assert_eq(&shown(&plan));
    let mac = |version, os| Host { os: Some(os), group: Some(6), ..host(version) };
    assert_eq!(cluster.answer(&mac("2900", "11.7"), at), "OFFER_CANDIDATE 2950");
    assert_eq!(cluster.answer(&mac("2950", "14.5"), at), "NEEDS_USER 3007");
    assert_eq!(cluster.answer(&mac("3001", "14.5"), at), "OFFER_CANDIDATE 3007");
    assert_eq!(cluster.answer(&mac("3007", "14.5"), at), "INCOMPATIBLE_HARDWARE");
    let exported = cluster.export(at);
    assert!(exported.warnings.is_empty(), "{:?}", exported.warnings);
    assert_eq!(exported.xml.matches("sparkle:deltaFrom").count(), 2);
}

#[test]
fn deltas_name_what_they_are_against() {
    let hash = "ab".repeat(32);
    let full = |version: &str, more: &str| {
        format!(
            "<item><sparkle:version>{version}</sparkle:version><enclosure url=\"https://x.example/App-{version}.zip\" length=\"10\" \
             tidegate:sha256=\"{hash}\" sparkle:edSignature=\"QQ==\"/>{more}</item>"
        )
    };
    let delta = |from: &str| {
        format!(
            "<enclosure url=\"https://x.example/{from}.delta\" length=\"1\" sparkle:deltaFrom=\"{from}\" sparkle:edSignature=\"QQ==\"/>"
        )
    };
    let deltas = format!("<sparkle:deltas>{}{}</sparkle:deltas>", delta("1.0"), delta("0.5"));
    let mut cluster = Cluster::new();
    let plan = cluster.import(&feed(&[full("1.0", ""), full("2.0", &deltas)]), day(0)).unwrap();
    assert_eq!(plan.warnings[0], "2.0: delta 0.5.delta is left out: it is against 0.5, which nothing is known of");
    let bundle = cluster.state.catalog().bundles().values().find(|bundle| bundle.body.id.as_str() == "2.0").unwrap();
    let files: Vec<_> = bundle.body.artifacts.iter().map(|file| (file.name.as_str(), file.base_sha256.as_deref())).collect();
    assert_eq!(files, [("App-2.0.zip", None), ("1.0.delta", Some(hash.as_str()))]);
    let keys: Vec<_> = bundle.body.signatures.iter().map(|signature| signature.key.as_str()).collect();
    assert_eq!(keys, ["sparkle-ed25519:App-2.0.zip", "sparkle-ed25519:1.0.delta"]);
    assert!(cluster.export(day(0)).xml.contains("sparkle:deltaFrom=\"1.0\""));
}
