//! How many may listen: each reader has a connection and a row of its own, so there is a bound, and one for each tenant.

use longshore_base::{Name, Scope};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// A tenant's share of the places.
const TENANT_SHARE: usize = 4;

/// The places of a process.
#[derive(Debug)]
pub(super) struct Seats {
    max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    tenants: HashMap<Name, usize>,
}

/// A place, taken until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    tenant: Option<Name>,
}

impl Seats {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, taken: Mutex::default() })
    }

    /// A place for a reader with a key of this scope. None: there is no more.
    pub(super) fn take(self: &Arc<Self>, scope: &Scope) -> Option<Seat> {
        let tenant = match scope {
            Scope::All => None,
            Scope::Tenant(tenant) => Some(tenant.clone()),
        };
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = tenant.as_ref().map_or(0, |tenant| taken.tenants.get(tenant).copied().unwrap_or(0));
        if taken.all >= self.max || tenant.is_some() && own >= self.max.div_ceil(TENANT_SHARE) {
            return None;
        }
        taken.all += 1;
        if let Some(tenant) = &tenant {
            *taken.tenants.entry(tenant.clone()).or_default() += 1;
        }
        metrics::gauge!("longshore_event_readers").set(taken.all as f64);
        Some(Seat { seats: Arc::clone(self), tenant })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        metrics::gauge!("longshore_event_readers").set(taken.all as f64);
        if let Some(tenant) = &self.tenant
            && let Some(own) = taken.tenants.get_mut(tenant)
        {
            *own -= 1;
            if *own == 0 {
                taken.tenants.remove(tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_in_all_and_for_each_tenant() {
        let (seats, one) = (Seats::new(4), Scope::Tenant(Name::literal("one")));
        let first = seats.take(&one).expect("a place");
        assert!(seats.take(&one).is_none(), "a quarter is the tenant's");
        let rest: Vec<_> = (0..3).map(|_| seats.take(&Scope::All).expect("a place")).collect();
        assert!(seats.take(&Scope::All).is_none());
        drop(first);
        assert!(seats.take(&one).is_some());
        drop(rest);
        let again: Vec<_> = (0..4).filter_map(|_| seats.take(&Scope::All)).collect();
        assert_eq!(again.len(), 4);
    }
}
