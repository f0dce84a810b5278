//! Any text as manifests and as an update stream: no panic; what is accepted prints as manifests that read the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_manifest::fcos::{self, Known};
use tidegate_manifest::{Source, parse, print};
use tidegate_model::{CohortId, ProductId};

fuzz_target!(|text: &str| {
    if let Ok(documents) = parse(&[Source { name: "fuzz".to_owned(), text: text.to_owned() }]) {
        let documents: Vec<_> = documents.into_iter().map(|located| located.value).collect();
        let printed: Vec<_> = documents.iter().map(print::document).collect();
        let again = parse(&[Source { name: "printed".to_owned(), text: print::to_yaml(&printed) }]);
        let again = again.map(|again| again.into_iter().map(|located| located.value).collect::<Vec<_>>());
        assert_eq!(again.as_ref(), Ok(&documents), "what is printed reads the same");
    }
    let ids = (ProductId::new("os").expect("an id"), CohortId::new("stable").expect("an id"));
    let _ = fcos::import("fuzz", text, &ids.0, &ids.1, &Known::default());
});
