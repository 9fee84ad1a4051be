//! Labels of metrics that come from people: queues and kinds. Each label has a bounded number of values, whatever people make; what comes after shares one.

use crate::Name;
use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

/// What the values share that there is no room for.
pub const OTHER: &str = "other";
/// Values of a label that a process tells apart: those that it saw first.
pub const LABELS_MAX: usize = 200;

static QUEUES: Labels = Labels::new();
static KINDS: Labels = Labels::new();
static RESOURCES: Labels = Labels::new();

/// The label of a queue.
#[must_use]
pub fn queue(name: &Name) -> String {
    QUEUES.of(name)
}
/// The label of a kind.
#[must_use]
pub fn kind(name: &Name) -> String {
    KINDS.of(name)
}
/// The label of a resource.
#[must_use]
pub fn resource(name: &Name) -> String {
    RESOURCES.of(name)
}

/// The values of one label.
#[derive(Debug)]
struct Labels(Mutex<BTreeSet<Name>>);

impl Labels {
    const fn new() -> Self {
        Self(Mutex::new(BTreeSet::new()))
    }
    fn of(&self, name: &Name) -> String {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(name) || known.len() < LABELS_MAX {
            known.insert(name.clone());
            return name.to_string();
        }
        OTHER.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{LABELS_MAX, Labels, OTHER};
    use crate::Name;

    #[test]
    fn values_beyond_the_bound_share_one() {
        let labels = Labels::new();
        let name = |n: usize| Name::new(format!("q{n}")).expect("a name");
        for n in 0..LABELS_MAX {
            assert_eq!(labels.of(&name(n)), format!("q{n}"));
        }
        assert_eq!(labels.of(&name(LABELS_MAX)), OTHER);
        assert_eq!(labels.of(&name(7)), "q7", "who has a value keeps it");
    }
}
