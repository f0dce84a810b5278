//! The catalogs that are measured are what they claim to be: as large as they say, with requests of every class, answered
//! like any other catalog and without allocating.

use tidegate_eligibility::{decide, naive};
use tidegate_micro::asks::{self, Class};
use tidegate_micro::objects::NOW;
use tidegate_micro::shape::{AXES, Shape, TYPICAL};
use tidegate_micro::{cost, time};

/// P-02: the slow twin gives the same answers.
#[test]
fn measured_requests_are_answered_as_the_catalog_says() {
    let (world, snapshot, _) = cost::build(TYPICAL);
    for asks in asks::draw(&world, &snapshot, 40, 1) {
        asks.with(|requests| {
            for request in requests {
                let fast = naive::Outcome::from(decide(&snapshot, request, NOW));
                assert_eq!(fast, naive::decide(&world.catalog, world.stamp(), request, NOW), "{request:?}");
            }
        });
    }
}

#[test]
fn every_class_is_met_in_every_catalog_that_can_have_it() {
    let small = |shape: &Shape| shape.releases <= 1_000 && shape.devices + shape.overrides + shape.holds <= 5_000;
    let all = AXES.iter().flat_map(|(_, axis)| axis.iter()).filter(|named| small(&named.shape) && named.shape.products <= 10);
    for named in all {
        let (world, snapshot, _) = cost::build(*named);
        let drawn = asks::draw(&world, &snapshot, 50, 1);
        let is_possible = |class: &Class| match class {
            Class::Override => named.shape.overrides > 0,
            Class::Held => named.shape.holds > 0,
            _other => true,
        };
        let classes: Vec<_> = drawn.iter().map(|asks| asks.class).collect();
        assert_eq!(classes, Class::ALL.into_iter().filter(is_possible).collect::<Vec<_>>(), "{}", named.name);
    }
}

#[test]
fn measured_decisions_allocate_nothing() {
    let (world, snapshot, _) = cost::build(TYPICAL);
    for asks in asks::draw(&world, &snapshot, 200, 2) {
        assert_eq!(time::allocations(&snapshot, &asks), 0, "{}", asks.class.name());
    }
}

#[test]
fn a_catalog_holds_what_its_shape_says() {
    let (world, _, _) = cost::build(TYPICAL);
    let (shape, catalog) = (TYPICAL.shape, &world.catalog);
    let of_first = catalog.releases().values().filter(|release| release.body.product.as_str() == "product-0").count();
    let counts = (catalog.products().len(), of_first, catalog.devices().len(), catalog.overrides().len(), catalog.holds().len());
    assert_eq!(counts, (shape.products, shape.releases, shape.devices, shape.overrides, shape.holds));
}
