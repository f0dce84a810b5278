//! Feeds that are refused, with line, field, value and rule; none makes the import panic or grow.

use proptest::prelude::*;

use super::cluster::{Cluster, day, feed, item};

fn refused(text: &str) -> String {
    Cluster::new().plan(text, day(0)).unwrap_err()
}

#[test]
fn errors_name_line_item_field_value_and_rule() {
    for (items, expected) in [
        (
            vec![item("2.0", ""), item("abc", "")],
            "appcast.xml:5:1: item abc: sparkle:version: \"abc\" must be 1 to 16 numbers joined by dots",
        ),
        (
            vec![item("2.0", ""), item("2.0", "")],
            "appcast.xml:5:1: item 2.0: sparkle:version: \"2.0\" must stand in a channel only once",
        ),
        (
            vec![item("2.0", ""), item("2", "")],
            "appcast.xml:5:1: item 2: sparkle:version: \"2\" must differ from 2.0, which is the same version",
        ),
        (
            vec!["<item><title>x</title></item>".to_owned()],
            "appcast.xml:4:1: item[0]: sparkle:version: must be there: it is what versions are compared by",
        ),
        (
            vec!["<item><sparkle:version>2.0</sparkle:version></item>".to_owned()],
            "appcast.xml:4:1: item 2.0: enclosure: must be there, or a link to say where to read on",
        ),
        (
            vec!["<item><sparkle:version>2.0</sparkle:version><enclosure length=\"1\"/></item>".to_owned()],
            "appcast.xml:4:45: item 2.0: enclosure.url: must be 1 to 2048 bytes without control characters",
        ),
        (
            vec!["<item><sparkle:version>2.0</sparkle:version><enclosure url=\"u\" length=\"1 MB\"/></item>".to_owned()],
            "appcast.xml:4:45: item 2.0: enclosure.length: \"1 MB\" must be a whole number of bytes",
        ),
        (
            vec![item("2.0", "<sparkle:minimumSystemVersion>Catalina</sparkle:minimumSystemVersion>")],
            "appcast.xml:4:45: item 2.0: sparkle:minimumSystemVersion: \"Catalina\" must be 1 to 16 numbers joined by dots",
        ),
        (
            vec![item("2.0", "<sparkle:hardwareRequirements>abacus</sparkle:hardwareRequirements>")],
            "appcast.xml:4:45: item 2.0: sparkle:hardwareRequirements: \"abacus\" must be arm64",
        ),
        (
            vec![item("2.0", "<sparkle:criticalUpdate sparkle:version=\"1.x\"/>")],
            "appcast.xml:4:1: item 2.0: sparkle:criticalUpdate: \"1.x\" must be 1 to 16 numbers joined by dots",
        ),
    ] {
        assert_eq!(refused(&feed(&items)), expected);
    }
}

#[test]
fn all_errors_are_told_at_once() {
    let errors = refused(&feed(&[item("a", ""), item("b", ""), item("1.0", "")]));
    assert_eq!(errors.lines().count(), 2, "{errors}");
}

#[test]
fn what_is_no_feed_is_refused() {
    for (text, expected) in [
        ("", "must be XML"),
        ("{\"items\": []}", "must be XML"),
        ("<rss><channel></rss>", "appcast.xml:1:15: must be XML"),
        ("<html/>", "appcast.xml:1:1: \"html\" must be an rss element with a channel in it"),
        ("<rss/>", "must be an rss element with a channel in it"),
        ("<rss><channel><item><sparkle:version>1</sparkle:version></item></channel></rss>", "must be XML"),
    ] {
        let error = refused(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn entities_are_refused_before_they_grow() {
    let bomb = "<!DOCTYPE rss [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>\n<rss><channel><title>&b;</title></channel></rss>";
    assert_eq!(refused(bomb), "appcast.xml:1:1: must have no document type: it could define entities");
    let external = "<!DOCTYPE rss SYSTEM \"file:///etc/passwd\"><rss/>";
    assert!(refused(external).contains("no document type"));
    assert!(refused("<rss><channel>&nbsp;</channel></rss>").contains("must be XML"));
}

#[test]
fn depth_and_size_are_bounded() {
    let deep = "<a>".repeat(200_000);
    assert!(refused(&deep).contains("must be XML"));
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    assert!(refused(&deep).contains("must be an rss element"));
    let many: Vec<String> = (1..=10_001).map(|n| item(&n.to_string(), "")).collect();
    assert!(refused(&feed(&many)).contains("must have at most 10000 items"));
    let long = feed(&[item("2.0", &format!("<description>{}</description>", "x".repeat(16 * 1024 * 1024)))]);
    assert!(refused(&long).contains("must be at most 16777216"));
}

#[test]
fn texts_that_are_too_long_to_keep_are_left_out_with_a_warning() {
    let more = format!("<title>{}</title><description>{}</description>", "t".repeat(600), "d".repeat(5_000));
    let plan = Cluster::new().plan(&feed(&[item("2.0", &more)]), day(0)).unwrap();
    assert_eq!(
        plan.warnings[..2],
        [
            "line 4: item 2.0: Title is too long for notes and left out".to_owned(),
            "line 4: item 2.0: description is too long for notes and left out".to_owned()
        ]
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_import_panic(text in "\\PC{0,200}", more in "[<>/a-z:= \"&;]{0,80}") {
        let _ = Cluster::new().plan(&text, day(0));
        let _ = Cluster::new().plan(&feed(&[item("2.0", &more), text]), day(0));
    }

    #[test]
    fn no_value_makes_the_import_panic(version in "[0-9a-z.~ -]{0,12}", date in "\\PC{0,30}", interval in "[0-9a-z.+-]{0,25}", channel in "\\PC{0,6}") {
        let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
        let more = format!(
            "<pubDate>{}</pubDate><sparkle:phasedRolloutInterval>{interval}</sparkle:phasedRolloutInterval><sparkle:channel>{}</sparkle:channel>",
            escape(&date), escape(&channel)
        );
        let _ = Cluster::new().plan(&feed(&[item(&version, &more)]), day(0));
    }
}
