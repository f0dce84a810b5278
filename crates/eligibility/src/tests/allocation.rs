//! A decision allocates nothing.

use crate::testing::{Dice, plausible_world, request_parts};

#[test]
fn a_decision_allocates_nothing() {
    for seed in 0..400 {
        let snapshot = plausible_world(seed).snapshot();
        let dice = &mut Dice::new(seed ^ 5);
        let requests: Vec<_> = (0..25).map(|_| request_parts(dice)).collect();
        for parts in &requests {
            let request = parts.request();
            let counted = allocation_counter::measure(|| {
                std::hint::black_box(crate::decide(&snapshot, &request, parts.now));
            });
            assert_eq!(counted.count_total, 0, "seed {seed}: {request:?}");
        }
    }
}

#[test]
fn looking_up_a_product_allocates_nothing() {
    let snapshot = plausible_world(1).snapshot();
    let counted = allocation_counter::measure(|| {
        std::hint::black_box((snapshot.product("os").is_some(), snapshot.stamp(), snapshot.digest(), snapshot.clone()));
    });
    assert_eq!(counted.count_total, 0);
}
