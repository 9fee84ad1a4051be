//! The house rules that a machine can check, one file each. A rule is a function from the tree to faults,
//! and carries a test that shows it failing: a rule that cannot fail is a wish.

mod arrows;
mod changelog;
mod conformance;
mod dead;
mod error_pages;
mod functions;
mod headers;
mod kinds;
mod leftovers;
mod length;
mod links;
mod lints;
mod metrics;
mod pasted;
mod places;
mod scripts;
mod servers;
mod source;
mod tree;
mod versions;
mod wall;
mod words;

use crate::env;
use tree::{Fault, Tree};

/// Name, check, and what it is for.
type Rule = (&'static str, fn(&Tree) -> Vec<Fault>);

const RULES: &[Rule] = &[
    ("arrows: crates depend downwards only", arrows::check),
    ("versions: one version of each direct dependency, and none unused", versions::check),
    ("lints: every crate takes the workspace's lints", lints::check),
    ("servers: only their own folders know Redis and SQL", servers::check),
    ("kinds: api, worker, scheduler and cli name no kind", kinds::check),
    ("wall: time, chance and the environment are read in listed places only", wall::check),
    ("headers: every source file and script says what it is", headers::check),
    ("scripts: a Lua script has a signature", scripts::check),
    ("pasted: no block of Lua stands twice", pasted::check),
    ("conformance: every promise of the queue is tried by name, or is listed as open", conformance::check),
    ("error pages: one page per code, one code per page", error_pages::check),
    ("metrics: each is told in docs/operating.md", metrics::check),
    ("length: no file over 500 lines without a reason", length::check),
    ("functions: none over 70 lines", functions::check),
    ("dead: no file that nothing reaches", dead::check),
    ("links: a link between pages leads somewhere", links::check),
    ("words: a job is called a job", words::check),
    ("leftovers: nothing is left for later", leftovers::check),
    ("places: no path or host of one machine", places::check),
    ("changelog: what is not released is listed", changelog::check),
];

/// Checks every rule and prints every fault.
pub(crate) fn run() -> Result<bool, String> {
    let tree = Tree::read(&env::root())?;
    let mut faults = 0;
    for (name, check) in RULES {
        let found = check(&tree);
        faults += found.len();
        for fault in found {
            println!("{fault}\n    by the rule `{name}`");
        }
    }
    println!("tidy: {} rules, {} files, {faults} faults", RULES.len(), tree.files().len());
    Ok(faults == 0)
}
