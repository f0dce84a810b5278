//! Whatever the feed: imported again it changes nothing, and what is exported means the same.

use expect_test::expect;
use proptest::prelude::*;

use super::cluster::{Cluster, Host, day, feed, host, item, phased};

/// One item: its elements beyond version and file, and its channel.
fn item_strategy() -> impl Strategy<Value = (String, Option<&'static str>)> {
    let phase = prop_oneof![
        3 => Just(String::new()),
        1 => Just("<pubDate>Sun, 27 Sep 2015 00:00:00 +0000</pubDate>".to_owned()),
        2 => Just(phased("86400")),
        1 => Just(phased("0")),
        1 => Just(phased("nonsense")),
        1 => Just("<sparkle:phasedRolloutInterval>60</sparkle:phasedRolloutInterval>".to_owned()),
    ];
    let urgency = prop_oneof![4 => Just(""), 1 => Just("<sparkle:criticalUpdate/>"), 1 => Just("<sparkle:criticalUpdate sparkle:version=\"3\"/>")];
    let mode = prop_oneof![
        4 => Just(""),
        1 => Just("<sparkle:minimumAutoupdateVersion>2</sparkle:minimumAutoupdateVersion>"),
        1 => Just("<sparkle:informationalUpdate/>"),
        1 => Just("<sparkle:informationalUpdate><sparkle:version>1</sparkle:version><sparkle:belowVersion>3</sparkle:belowVersion></sparkle:informationalUpdate>"),
    ];
    let asks = prop_oneof![
        4 => Just(""),
        1 => Just("<sparkle:minimumSystemVersion>12.3</sparkle:minimumSystemVersion>"),
        1 => Just("<sparkle:maximumSystemVersion>13</sparkle:maximumSystemVersion>"),
        1 => Just("<sparkle:minimumUpdateVersion>2</sparkle:minimumUpdateVersion>"),
        1 => Just("<sparkle:hardwareRequirements>arm64</sparkle:hardwareRequirements>"),
    ];
    let words = prop_oneof![
        2 => Just(""),
        1 => Just("<title>A &amp; B</title><link>https://x.example/?a=1&amp;b=2</link>"),
        1 => Just("<sparkle:shortVersionString>2.0 (beta)</sparkle:shortVersionString><description><![CDATA[<p>One</p>\n\n<p>Two: three</p>]]></description>"),
        1 => Just("<description>Title: not a title</description>"),
    ];
    let channel = prop_oneof![4 => Just(None), 1 => Just(Some("beta")), 1 => Just(Some("nightly"))];
    (phase, urgency, mode, asks, words, channel)
        .prop_map(|(phase, urgency, mode, asks, words, channel)| (format!("{phase}{urgency}{mode}{asks}{words}"), channel))
}

fn feed_strategy() -> impl Strategy<Value = String> {
    proptest::collection::btree_map(2..9_u8, item_strategy(), 0..6).prop_map(|items| {
        let items: Vec<String> = items
            .into_iter()
            .map(|(number, (more, channel))| {
                let channel = channel.map_or_else(String::new, |name| format!("<sparkle:channel>{name}</sparkle:channel>"));
                item(&number.to_string(), &(more + &channel))
            })
            .collect();
        feed(&items)
    })
}

/// The channels that have a cohort. One whose items are all held back is not written, and its hosts are then in none.
fn channels(cluster: &Cluster) -> Vec<Option<&'static str>> {
    let cohorts: Vec<String> = cluster.state.catalog().cohorts().values().map(|cohort| cohort.body.id.to_string()).collect();
    let is_there = |channel: &Option<&str>| channel.is_none_or(|name| cohorts.iter().any(|cohort| cohort == name));
    [None, Some("beta"), Some("nightly")].into_iter().filter(is_there).collect()
}

/// What hosts of all kinds are offered. (Why one is offered nothing may differ: what is held back is not written.)
fn answers(cluster: &Cluster, channels: &[Option<&'static str>], days: i64) -> Vec<String> {
    let mut answers = Vec::new();
    for version in ["1", "2", "4", "8"] {
        for channel in channels.iter().copied() {
            for (group, os) in [(0, "12"), (3, "12.3"), (6, "14")] {
                for is_interactive in [false, true] {
                    let host = Host { group: Some(group), os: Some(os), channel, is_interactive, ..host(version) };
                    let answer = cluster.answer(&host, day(days));
                    answers.push(format!("{host:?}: {}", if answer.contains(' ') { &answer } else { "nothing" }));
                }
            }
        }
    }
    answers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// import(export(x)) is a fixed point: into the same cluster it changes nothing, into an empty one it comes out the same
    /// and is decided the same.
    #[test]
    fn an_exported_feed_is_a_fixed_point(text in feed_strategy(), days in -2..9_i64) {
        let mut cluster = Cluster::new();
        cluster.import(&text, day(days)).map_err(TestCaseError::fail)?;
        let exported = cluster.export(day(days));
        let again = cluster.plan(&exported.xml, day(days)).map_err(TestCaseError::fail)?;
        prop_assert!(again.commands.is_empty(), "{}\n{:#?}", exported.xml, again.summary);

        let mut fresh = Cluster::new();
        fresh.import(&exported.xml, day(days)).map_err(TestCaseError::fail)?;
        prop_assert_eq!(&fresh.export(day(days)).xml, &exported.xml);
        let channels = channels(&fresh);
        for later in [0, 1, 4, 9] {
            prop_assert_eq!(answers(&fresh, &channels, days + later), answers(&cluster, &channels, days + later));
        }
    }

    /// A sequence of feeds is followed: each can be imported, and again changes nothing.
    #[test]
    fn any_sequence_of_feeds_can_be_followed(feeds in proptest::collection::vec(feed_strategy(), 1..6)) {
        let mut cluster = Cluster::new();
        for (text, days) in feeds.iter().zip(-2..) {
            cluster.import(text, day(days * 2)).map_err(TestCaseError::fail)?;
        }
    }
}

#[test]
fn a_cohort_is_written_as_sparkle_reads_it() {
    let more = "<title>Tide 3</title><sparkle:shortVersionString>3.0 &quot;Neap&quot;</sparkle:shortVersionString><sparkle:minimumSystemVersion>12.3</sparkle:minimumSystemVersion><sparkle:criticalUpdate sparkle:version=\"1.5\"/><description>&lt;b&gt;New&lt;/b&gt; &amp; fast</description>";
    let items = [item("2.0", ""), item("3.0", &(phased("3600") + more)), item("4.0", "<sparkle:channel>beta</sparkle:channel>")];
    let mut cluster = Cluster::new();
    cluster.import(&feed(&items), day(0)).unwrap();
    expect![[r#"
        <?xml version="1.0" encoding="utf-8"?>
        <rss version="2.0" xmlns:sparkle="http://www.andymatuschak.org/xml-namespaces/sparkle" xmlns:tidegate="urn:tidegate:appcast">
          <channel>
            <title>app</title>
            <item>
              <title>4.0</title>
              <sparkle:version>4.0</sparkle:version>
              <sparkle:channel>beta</sparkle:channel>
              <enclosure url="https://x.example/App-4.0.zip" length="1000" type="application/octet-stream" sparkle:edSignature="c2ln40"/>
            </item>
            <item>
              <title>Tide 3</title>
              <pubDate>Mon, 05 Oct 2015 19:20:11 +0000</pubDate>
              <sparkle:version>3.0</sparkle:version>
              <sparkle:shortVersionString>3.0 &quot;Neap&quot;</sparkle:shortVersionString>
              <sparkle:minimumSystemVersion>12.3</sparkle:minimumSystemVersion>
              <sparkle:phasedRolloutInterval>3600</sparkle:phasedRolloutInterval>
              <sparkle:criticalUpdate sparkle:version="1.5"/>
              <description>&lt;b&gt;New&lt;/b&gt; &amp; fast</description>
              <enclosure url="https://x.example/App-3.0.zip" length="1000" type="application/octet-stream" sparkle:edSignature="c2ln30"/>
            </item>
            <item>
              <title>2.0</title>
              <sparkle:version>2.0</sparkle:version>
              <enclosure url="https://x.example/App-2.0.zip" length="1000" type="application/octet-stream" sparkle:edSignature="c2ln20"/>
            </item>
          </channel>
        </rss>
    "#]].assert_eq(&cluster.export(day(0)).xml);
}
