//! Time zones by their IANA names.

use super::TimingFault;
use chrono_tz::{TZ_VARIANTS, Tz};

/// The zone of that name.
pub(super) fn find(name: &str) -> Result<Tz, TimingFault> {
    name.parse().map_err(|_| {
        let near = TZ_VARIANTS.iter().map(|zone| zone.name()).max_by(|a, b| likeness(name, a).total_cmp(&likeness(name, b)));
        let near = near.map_or_else(String::new, |near| format!("; the nearest name is `{near}`"));
        TimingFault::new("/timezone", format!("there is no time zone `{name}`"), format!("an IANA name{near}"))
    })
}

fn likeness(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(&a.to_lowercase(), &b.to_lowercase())
}
