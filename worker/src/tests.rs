//! A worker on a broker, one scenario per test: every way an attempt can end, and what happens when the world breaks.

mod endings;
mod house;
mod kinds;
mod large;
mod leasing;
mod secrets;
mod shaky;
mod stopping;
