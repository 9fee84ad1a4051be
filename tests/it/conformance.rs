//! The conformance suite of `longshore-queue`, once for every broker. The cases and their names are in `queue/src/conformance/`.

mod model {
    longshore_queue::broker_conformance!(crate::harness::fresh_model());
}

mod sqlite {
    longshore_queue::broker_conformance!(crate::harness::fresh_sqlite());
}

mod redis {
    longshore_queue::broker_conformance!(crate::harness::fresh_redis());
}

mod cluster {
    longshore_queue::broker_conformance!(crate::harness::fresh_cluster());
}

/// The same cluster form while the case's slots are moved from master to master in a loop.
mod moving {
    longshore_queue::broker_conformance!(crate::harness::fresh_moving());
}
