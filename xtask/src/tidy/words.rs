//! One word per thing. docs/GLOSSARY.md has a column of words that are never used as names; this reads it and looks at
//! what the code declares (types, functions, modules, fields, arguments). What Tokio calls a task and what an error says are no jobs:
//! a line that spawns, or names Tokio's type for it, may say task, and `message` is refused only beside a word of ours.

use super::{
    source,
    tree::{Fault, File, Tree},
};

const GLOSSARY: &str = "docs/GLOSSARY.md";
const DECLARES: &[&str] = &["struct", "enum", "trait", "type", "fn", "mod", "const", "static", "let", "union"];

/// (file, name, why it may)
const ALLOWED: &[(&str, &str, &str)] = &[
    ("worker/src/backend.rs", "Task", "apalis' trait calls its associated type so"),
    ("worker/src/backend.rs", "task", "what apalis hands over: a job in its wrapping"),
];
/// What makes a line one about Tokio's tasks.
const TOKIO: &[&str] = &["spawn", "TaskTracker", "JoinHandle", "JoinSet", "AbortHandle"];

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let Some(glossary) = tree.get(GLOSSARY) else {
        return vec![Fault { path: GLOSSARY.into(), line: 0, what: "is missing".into() }];
    };
    let refused = refused(glossary);
    let mut faults = Vec::new();
    if refused.is_empty() {
        faults.push(glossary.fault(0, "lists no word that is never used"));
    }
    for file in tree.with("rs") {
        let lines = file.lines().filter(|(_, line)| !TOKIO.iter().any(|word| line.contains(word)));
        for (at, line) in lines {
            for name in declared(&source::without_texts(source::code(line))) {
                let snake = snake(name);
                let hit = refused.iter().find(|(word, _)| contains(&snake, word));
                let allowed = ALLOWED.iter().any(|(path, own, _)| *path == file.path && *own == name);
                if let (Some((word, ours)), false) = (hit, allowed) {
                    faults.push(file.fault(at, format!("`{name}`: we say {ours}, never {word} ({GLOSSARY})")));
                }
            }
        }
    }
    faults
}

/// (refused word in snake case, our word), from the rows `| **job** | meaning | task, work item |`.
fn refused(glossary: &File) -> Vec<(String, String)> {
    let mut words = Vec::new();
    for line in glossary.text.lines().filter(|line| line.starts_with("| **")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [ours, _, never] = cells[..] else { continue };
        let listed = never.split(',').map(str::trim).filter(|word| !word.is_empty() && *word != "–");
        words.extend(listed.map(|word| (word.replace(' ', "_").to_lowercase(), ours.replace("**", ""))));
    }
    words
}

/// Names that this line declares: after a keyword, and before a `:` as fields and arguments are.
fn declared(code: &str) -> Vec<&str> {
    let all: Vec<&str> = source::words(code).collect();
    let after = all.windows(2).filter(|pair| DECLARES.contains(&pair[0])).map(|pair| if pair[1] == "mut" { "" } else { pair[1] });
    let field = code.split_once(": ").map(|(name, _)| name.trim().rsplit([' ', '(', ',']).next().unwrap_or_default());
    after.chain(field.filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'))).filter(|name| !name.is_empty()).collect()
}

/// `TaskId` and `task_id` → `task_id`
fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// Whether `word`, or its plural, is a run of whole parts of `name`.
fn contains(name: &str, word: &str) -> bool {
    let (name, word) = (format!("_{name}_"), format!("_{word}"));
    name.contains(&format!("{word}_")) || name.contains(&format!("{word}s_"))
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Tree, check};

    const GLOSSARY: (&str, &str) =
        ("docs/GLOSSARY.md", "| word | meaning | never |\n|---|---|---|\n| **job** | a piece of work | task, job message |\n");

    fn faults(code: &str) -> usize {
        check(&Tree::of(&[GLOSSARY, ("a/src/lib.rs", code)])).len()
    }

    #[test]
    fn refused_names_are_found_wherever_they_are_declared() {
        for code in
            ["pub struct TaskId(u64);", "fn run_tasks() {}", "    task_id: u64,", "fn f(task: Job) {}", "let job_message = 1;", "mod task;"]
        {
            assert_eq!(faults(code), 1, "{code}");
        }
    }

    #[test]
    fn other_names_and_uses_are_not() {
        for code in [
            "let error_message = 1;",
            "tokio::task::spawn(f());",
            "struct Multitasking;",
            "// a task is a job",
            "message: String,",
            "let task = tokio::spawn(f());",
        ] {
            assert_eq!(faults(code), 0, "{code}");
        }
    }

    #[test]
    fn the_list_must_be_there() {
        assert_eq!(check(&Tree::of(&[])).len(), 1);
        assert_eq!(check(&Tree::of(&[("docs/GLOSSARY.md", "nothing")])).len(), 1);
    }
}
