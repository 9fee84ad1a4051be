//! The ticks of cron expressions are those of an independent implementation, around every change of 40 zones' clocks. See tests/oracle;
//! `cargo xtask oracle` compares every zone.

use longshore_oracle::{compare, suite};

#[test]
fn ticks_are_those_of_the_oracle() {
    let part = suite();
    assert_eq!((part.zones.len(), part.expressions.len()), (40, 20));
    let figures = compare(&part).unwrap_or_else(|why| panic!("{why}"));
    println!("{figures}");
    assert_eq!((figures.zones, figures.pairs), (40, 800));
    assert!(figures.changes >= 150 && figures.ticks >= 300_000, "{figures}");
}
