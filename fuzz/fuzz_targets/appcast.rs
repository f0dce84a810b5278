//! Any text as a Sparkle feed: no panic, no hang. What can be imported plans the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_manifest::Source;
use tidegate_manifest::appcast::{self, Target};
use tidegate_model::{CohortId, ProductId, Timestamp};

fuzz_target!(|text: &str| {
    let source = Source { name: "fuzz".to_owned(), text: text.to_owned() };
    let cohort = |id: &str| CohortId::new(id).expect("an id");
    let channels = vec![("beta".to_owned(), cohort("beta")), ("beta".to_owned(), cohort("daily"))];
    let target = Target { product: ProductId::new("app").expect("an id"), cohort: cohort("stable"), channels };
    let now = Timestamp::from_secs(1_700_000_000);
    let planned = appcast::import(&source, &target, &[], now);
    assert_eq!(planned, appcast::import(&source, &target, &[], now));
});
