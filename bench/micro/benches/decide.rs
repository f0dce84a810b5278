//! Time per decision of each class, for whoever works on the hot path: `cargo bench -p tidegate-micro --bench decide`.
//! `tidegate-bench micro` takes the figures that are published.

// divan rather than criterion: it brings three crates that are not here anyway instead of some thirty, and its runs are
// short. Its counts of allocations are asserted elsewhere.

use divan::Bencher;
use tidegate_eligibility::decide;
use tidegate_micro::asks::{self, Class};
use tidegate_micro::cost;
use tidegate_micro::objects::NOW;
use tidegate_micro::shape;

fn main() {
    divan::main();
}

/// One decision after another, over requests of one class.
#[divan::bench(args = Class::ALL, consts = [0, 1])]
fn decision<const CATALOG: usize>(bencher: Bencher, class: Class) {
    let name = ["typical", "devices 100000"][CATALOG];
    let named = shape::find(name).expect("a catalog of this name");
    let (world, snapshot, _) = cost::build(named);
    let drawn = asks::draw(&world, &snapshot, 1_000, 11);
    let asks = drawn.iter().find(|asks| asks.class == class).expect("these catalogs have all classes");
    asks.with(|requests| {
        let mut at = 0;
        bencher.bench_local(|| {
            at = (at + 1) % requests.len();
            decide(&snapshot, divan::black_box(&requests[at]), NOW).reason
        });
    });
}
