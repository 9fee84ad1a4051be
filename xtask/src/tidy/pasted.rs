//! Shared pieces of Lua are included, never pasted: six equal lines in a row in two places are one piece that has no name yet.

use super::tree::{Fault, File, Tree};
use std::collections::HashMap;

const BLOCK: usize = 6;

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut seen: HashMap<String, (&str, usize)> = HashMap::new();
    let mut faults = Vec::new();
    for file in tree.with("lua") {
        let lines = code(file);
        let mut told_to = 0;
        for block in lines.windows(BLOCK) {
            let text: Vec<&str> = block.iter().map(|(_, line)| *line).collect();
            let at = block[0].0;
            match seen.get(&text.join("\n")) {
                Some((path, line)) if at >= told_to && !(*path == file.path && at < line + BLOCK) => {
                    faults.push(file.fault(at, format!("these {BLOCK} lines stand in {path}:{line} too")));
                    told_to = block[BLOCK - 1].0 + 1;
                }
                Some(_) => {}
                None => drop(seen.insert(text.join("\n"), (&file.path, at))),
            }
        }
    }
    faults
}

/// Lines that do something, with their numbers.
fn code(file: &File) -> Vec<(usize, &str)> {
    file.lines().map(|(at, line)| (at, line.trim())).filter(|(_, line)| !line.is_empty() && !line.starts_with("--")).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Tree, check};

    const SIX: &str = "a()\nb()\nc()\nd()\ne()\nf()\n";

    #[test]
    fn a_pasted_block_is_told_once() {
        let longer = format!("-- other\n{SIX}g()\n");
        let both = format!("{SIX}g()\n");
        let faults = check(&Tree::of(&[("q/a.lua", &both), ("q/b.lua", &longer)]));
        assert_eq!(faults.len(), 1);
        assert_eq!((faults[0].path.as_str(), faults[0].line), ("q/b.lua", 2));
    }

    #[test]
    fn five_lines_are_no_block() {
        assert!(check(&Tree::of(&[("q/a.lua", SIX), ("q/b.lua", "a()\nb()\nc()\nd()\ne()\nz()\n")])).is_empty());
    }
}
