//! Empty on purpose: cargo wants a target besides tests.
