//! What Sparkle's own tests expect of a feed, at the level of the import: G-25 to G-38 and G-40.

use tidegate_model::Timestamp;

use super::cluster::{Cluster, DATE_TEXT, Host, day, feed, host, item, phased};

const CRITICAL: &str = "<sparkle:criticalUpdate/>";

fn imported(items: &[String], now: Timestamp) -> (Cluster, Vec<String>) {
    let mut cluster = Cluster::new();
    let plan = cluster.import(&feed(items), now).unwrap();
    // These feeds name no hashes, as hardly any does.
    let warnings = plan.warnings.into_iter().filter(|warning| !warning.starts_with("the feed names no SHA-256")).collect();
    (cluster, warnings)
}

fn groups(cluster: &Cluster, now: Timestamp) -> Vec<u8> {
    (0..7).filter(|group| cluster.offered(&Host { group: Some(*group), ..host("1.0") }, now).is_some()).collect()
}

#[test]
fn groups_open_one_interval_after_the_other() {
    // G-25, G-26
    for imported_at in [day(-5), day(0), day(1)] {
        let (cluster, warnings) = imported(&[item("2.0", &phased("86400"))], imported_at);
        assert!(warnings.is_empty(), "{warnings:?}");
        assert!(groups(&cluster, day(-3)).is_empty());
        assert_eq!(groups(&cluster, day(0)), [0]);
        assert_eq!(groups(&cluster, day(2)), [0, 1, 2]);
        assert_eq!(groups(&cluster, Timestamp::from_millis(day(2).as_millis() - 1)), [0, 1]);
        assert_eq!(groups(&cluster, day(6)), [0, 1, 2, 3, 4, 5, 6]);
    }
}

#[test]
fn a_users_own_request_passes_the_ramp() {
    // G-28
    let (cluster, _) = imported(&[item("2.0", &phased("86400"))], day(-4));
    let asking = Host { is_interactive: true, group: Some(0), ..host("1.0") };
    assert_eq!(cluster.answer(&asking, day(-3)), "OFFER_LATEST 2.0");
}

#[test]
fn a_critical_item_passes_the_ramp_even_before_its_date() {
    // G-29
    for critical in
        [CRITICAL, "<sparkle:tags><sparkle:criticalUpdate/></sparkle:tags>", "<sparkle:criticalUpdate sparkle:version=\"\"/>"]
    {
        let (cluster, _) = imported(&[item("2.0", &(phased("86400") + critical))], day(-4));
        assert_eq!(groups(&cluster, day(-3)), [0, 1, 2, 3, 4, 5, 6], "{critical}");
        assert_eq!(cluster.answer(&Host { group: Some(0), ..host("1.0") }, day(-3)), "OFFER_CRITICAL 2.0");
    }
}

#[test]
fn critical_below_a_version_is_critical_for_lower_ones_alone() {
    // G-30
    let critical = phased("86400") + "<sparkle:criticalUpdate sparkle:version=\"1.5\"/>";
    let (cluster, _) = imported(&[item("2.0", &critical)], day(-4));
    let at = |version| cluster.answer(&Host { group: Some(6), ..host(version) }, day(1));
    assert_eq!(at("1.0"), "OFFER_CRITICAL 2.0");
    assert_eq!(at("1.5"), "NOT_IN_PHASE");
    assert_eq!(at("1.6"), "NOT_IN_PHASE");
}

#[test]
fn an_interval_without_a_date_admits_everybody_with_a_warning() {
    // G-31
    for date in ["", "<pubDate>some day</pubDate>"] {
        let more = format!("{date}<sparkle:phasedRolloutInterval>86400</sparkle:phasedRolloutInterval>");
        let (cluster, warnings) = imported(&[item("2.0", &more)], day(-4));
        assert_eq!(groups(&cluster, day(-3)), [0, 1, 2, 3, 4, 5, 6]);
        assert!(warnings.iter().any(|warning| warning.contains("without a pubDate")), "{warnings:?}");
        assert!(warnings.iter().all(|warning| warning.starts_with("line 4: item 2.0: ")), "{warnings:?}");
    }
}

#[test]
fn an_interval_that_is_no_number_is_zero_with_a_warning() {
    // G-32
    let (cluster, warnings) = imported(&[item("2.0", &phased("abc"))], day(-4));
    assert!(groups(&cluster, day(-3)).is_empty());
    assert_eq!(groups(&cluster, day(0)), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(warnings, ["line 4: item 2.0: sparkle:phasedRolloutInterval: \"abc\" is no count of seconds and taken as 0"]);
}

#[test]
fn a_minimum_version_for_automatic_updates_holds_lower_ones_back() {
    // G-33
    let from_two = "<sparkle:minimumAutoupdateVersion>2.0</sparkle:minimumAutoupdateVersion>";
    let (cluster, _) = imported(&[item("3.0", from_two), item("2.0", "")], day(0));
    let at = |version| cluster.offered(&host(version), day(1)).unwrap();
    assert_eq!((at("1.0"), at("2.0"), at("2.5")), ("2.0".to_owned(), "3.0".to_owned(), "3.0".to_owned()));
    // G-34
    let (cluster, _) = imported(&[item("3.0", from_two)], day(0));
    assert_eq!(cluster.answer(&host("1.0"), day(1)), "NEEDS_USER 3.0");
    assert_eq!(cluster.answer(&Host { is_interactive: true, ..host("1.0") }, day(1)), "OFFER_LATEST 3.0");
}

#[test]
fn a_newest_item_in_phase_leaves_the_one_before() {
    // G-36
    let (cluster, _) = imported(&[item("3.0", &phased("86400")), item("2.0", "")], day(-1));
    let at = |group, now| cluster.offered(&Host { group: Some(group), ..host("1.0") }, now).unwrap();
    assert_eq!((at(0, day(1)), at(6, day(1)), at(6, day(6))), ("3.0".to_owned(), "2.0".to_owned(), "3.0".to_owned()));
}

#[test]
fn a_channel_sees_its_own_items_and_the_default_ones() {
    // G-37
    let channel = |name: &str| format!("<sparkle:channel>{name}</sparkle:channel>");
    let items = [item("2.0", ""), item("3.0", ""), item("4.0", &channel("beta")), item("5.0", &channel("nightly"))];
    let (cluster, _) = imported(&items, day(0));
    for (channel, newest) in [(None, "3.0"), (Some("beta"), "4.0"), (Some("nightly"), "5.0"), (Some("unknown"), "3.0")] {
        assert_eq!(cluster.offered(&Host { channel, ..host("1.0") }, day(1)).as_deref(), Some(newest), "{channel:?}");
    }
    // Whoever cannot take the channel's own item is not worse off than without the channel.
    let items =
        [item("3.0", ""), item("4.0", &(channel("beta") + "<sparkle:minimumSystemVersion>12</sparkle:minimumSystemVersion>"))];
    let (cluster, _) = imported(&items, day(0));
    let old = Host { channel: Some("beta"), os: Some("11"), ..host("1.0") };
    assert_eq!(cluster.answer(&old, day(1)), "OFFER_CANDIDATE 3.0");
}

#[test]
fn an_illegal_channel_is_refused() {
    // G-38
    for name in ["be ta", "b\u{e9}ta", "", "a/b"] {
        let text = feed(&[item("2.0", &format!("<sparkle:channel>{name}</sparkle:channel>"))]);
        let error = Cluster::new().plan(&text, day(0)).unwrap_err();
        assert!(error.starts_with("appcast.xml:4:"), "{error}");
        assert!(error.contains("item 2.0: sparkle:channel") && error.contains("must be one or more of A-Z"), "{error}");
    }
}

#[test]
fn limits_of_the_operating_system_are_inclusive() {
    // G-40
    let limits = "<sparkle:minimumSystemVersion>10</sparkle:minimumSystemVersion><sparkle:maximumSystemVersion>12</sparkle:maximumSystemVersion>";
    let (cluster, _) = imported(&[item("2.0", limits)], day(0));
    let at = |os| cluster.offered(&Host { os: Some(os), ..host("1.0") }, day(1)).is_some();
    assert_eq!(["9", "10", "12", "12.0", "13"].map(at), [false, true, true, true, false]);
    let (cluster, _) = imported(&[item("2.0", "")], day(0));
    assert!(["9", "13"].into_iter().all(|os| cluster.offered(&Host { os: Some(os), ..host("1.0") }, day(1)).is_some()));
    assert!(cluster.offered(&host("1.0"), day(1)).is_some());
}

#[test]
fn an_informational_item_is_information_for_those_whom_it_names() {
    let info = "<sparkle:informationalUpdate><sparkle:version>1.2</sparkle:version><sparkle:belowVersion>1.0</sparkle:belowVersion></sparkle:informationalUpdate>";
    let (cluster, _) = imported(&[item("2.0", info)], day(0));
    let at = |version| cluster.answer(&host(version), day(1));
    assert_eq!((at("0.9"), at("1.0"), at("1.2")), ("OFFER_INFO 2.0".into(), "OFFER_LATEST 2.0".into(), "OFFER_INFO 2.0".into()));
    let read_only = "<item><sparkle:version>2.0</sparkle:version><link>https://x.example/</link></item>".to_owned();
    let (cluster, _) = imported(&[read_only], day(0));
    assert_eq!(cluster.answer(&host("1.0"), day(1)), "OFFER_INFO 2.0");
}

#[test]
fn a_date_alone_holds_nobody_back() {
    let (cluster, _) = imported(&[item("2.0", &format!("<pubDate>{DATE_TEXT}</pubDate>"))], day(-9));
    assert_eq!(cluster.offered(&host("1.0"), day(-8)).as_deref(), Some("2.0"));
}
