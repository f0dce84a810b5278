//! Any bytes as a check request, as body and as query: no panic, and what is accepted is within its bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_manifest::check::{CheckRequest, request_from_json, request_from_query};

fn check(request: &CheckRequest) {
    assert!((1..=128).contains(&request.product.len()));
    assert!(request.device.as_ref().is_none_or(|key| (1..=256).contains(&key.len()) && !key.chars().any(char::is_control)));
    assert!(request.attributes.len() <= 64 && request.tags.len() <= 256);
    assert!(request.attributes.is_sorted() && request.tags.is_sorted());
    assert!(request.group.is_none_or(|group| group <= 6));
}

fuzz_target!(|bytes: &[u8]| {
    match request_from_json(bytes) {
        Ok(request) => check(&request),
        Err(bad) => assert!(bad.to_problem().0 >= 400),
    }
    if let Ok(query) = std::str::from_utf8(bytes)
        && let Ok(request) = request_from_query(query)
    {
        check(&request);
    }
});
