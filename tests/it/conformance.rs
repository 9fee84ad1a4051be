//! The conformance suite of `longshore-queue`, once for every broker. The cases and their names are in `queue/src/conformance/`.

mod model {
    longshore_queue::broker_conformance!(crate::harness::fresh_model());
}

mod sqlite {
    longshore_queue::broker_conformance!(crate::harness::fresh_sqlite());
}
