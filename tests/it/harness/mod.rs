//! What the tests stand on: servers that die with this process, clocks, a proxy that breaks connections.

mod model;

pub(crate) use model::fresh_model;
