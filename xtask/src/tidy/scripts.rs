//! A Lua script is called from another language with two lists: its header names what stands in them and what comes back.
//! Shared pieces (in a folder `include/` or `shared/`) define functions and need only their first sentence.

use super::tree::{Fault, File, Tree};

const SIGNATURE: &[&str] = &["KEYS", "ARGV", "Returns"];

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let scripts = tree.with("lua").filter(|file| !is_shared(file));
    scripts.flat_map(|file| missing(file).map(|word| file.fault(1, format!("the header does not say {word}")))).collect()
}

pub(super) fn is_shared(file: &File) -> bool {
    file.path.contains("/include/") || file.path.contains("/includes/") || file.path.contains("/shared/")
}

fn missing(file: &File) -> impl Iterator<Item = &'static str> {
    let header: String = file.text.lines().take_while(|line| line.starts_with("--") || line.starts_with("#!")).collect();
    SIGNATURE.iter().copied().filter(move |word| !header.contains(word))
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Tree, check};

    #[test]
    fn a_signature_names_keys_arguments_and_answer() {
        let good = "#!lua flags=allow-oom\n-- ack: end attempts. KEYS 1 jobs. ARGV 1 id.\n-- Returns 1.\nreturn 1\n";
        let bad = "-- ack: end attempts.\nlocal id = ARGV[1]\nreturn redis.call('GET', KEYS[1])\n";
        assert!(check(&Tree::of(&[("queue/src/redis/ack.lua", good), ("queue/src/redis/shared/due.lua", "-- due: x\n")])).is_empty());
        assert_eq!(check(&Tree::of(&[("queue/src/redis/ack.lua", bad)])).len(), 3);
    }
}
