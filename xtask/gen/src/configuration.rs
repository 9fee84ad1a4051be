//! docs/configuration.md from config/default.toml, where every key stands with its default and its meaning.

use std::fmt::Write;

const INTRO: &str = "\
# Configuration

Generated from `config/default.toml` by `cargo xtask gen`; do not edit.

";

/// The comment block at the top is the page's own text; every later block belongs to the key below it.
pub(crate) fn page(defaults: &str) -> String {
    let mut page = String::from(INTRO);
    let (mut section, mut comment, mut begun) = (String::new(), Vec::new(), false);
    for line in defaults.lines() {
        if let Some(text) = line.strip_prefix('#') {
            comment.push(text.trim());
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
            let _ = writeln!(page, "\n## {name}");
        } else if let Some((key, default)) = line.split_once(" = ") {
            one(&mut page, &format!("{section}{key}"), default, &comment);
            comment.clear();
        } else if line.is_empty() && !begun {
            begun = true;
            let _ = writeln!(page, "{}", comment.join("\n"));
            comment.clear();
        }
    }
    page
}

fn one(page: &mut String, key: &str, default: &str, comment: &[&str]) {
    let environment = key.to_uppercase().replace('.', "__");
    let flag = comment.iter().find_map(|line| line.rsplit_once(' ').map(|(_, word)| word).filter(|word| word.starts_with("--")));
    let _ = write!(page, "\n### `{key}`\nDefault `{default}` · environment `LONGSHORE_{environment}`");
    if let Some(flag) = flag {
        let _ = write!(page, " · flag `{flag}`");
    }
    let text: Vec<&str> = comment.iter().map(|line| flag.and_then(|flag| line.strip_suffix(flag)).unwrap_or(line).trim_end()).collect();
    let _ = writeln!(page, "\n\n{}", text.join("\\\n"));
}
