//! Just enough of Rust's surface for the rules: code without its comments, words of a line, string literals.

/// The line up to a `//` that stands outside of a string. Block comments are not used in this house.
pub(super) fn code(line: &str) -> &str {
    let (mut quoted, mut escaped, mut last) = (false, false, ' ');
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            // A quote as a character literal opens nothing.
            '"' if last != '\'' => quoted = !quoted,
            '/' if !quoted && last == '/' => return &line[..at - 1],
            _ => {}
        }
        last = c;
    }
    line
}

/// Identifiers of a line, in order.
pub(super) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The texts of the plain string literals of a line.
pub(super) fn literals(line: &str) -> Vec<&str> {
    code(line).split('"').skip(1).step_by(2).collect()
}

/// The line with every string literal emptied.
pub(super) fn without_texts(code: &str) -> String {
    code.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

/// Whether `code` has the path `name::…` at its beginning: not as a part of a longer path or word.
pub(super) fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        let starts = before.chars().next_back().is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | ':' | '"' | '-'));
        let own_line = before.trim() == "use" || before.trim() == "pub use";
        starts && (after.starts_with("::") || (own_line && after.trim_start().starts_with([';', ' '])))
    })
}

#[cfg(test)]
mod tests {
    use super::{code, literals, names_crate};

    #[test]
    fn comments_end_code_and_strings_do_not() {
        assert_eq!(code("let a = 1; // redis::x"), "let a = 1; ");
        assert_eq!(code(r#"let a = "http://x"; // y"#), r#"let a = "http://x"; "#);
        assert_eq!(code(r#"let q = '"'; let b = 2; // z"#), r#"let q = '"'; let b = 2; "#);
        assert_eq!(literals(r#"f("a", "b.c") // "d""#), ["a", "b.c"]);
    }

    #[test]
    fn a_crate_is_not_a_module_of_that_name() {
        assert!(names_crate("use redis::Script;", "redis"));
        assert!(names_crate("let a: redis::Value = b;", "redis"));
        assert!(!names_crate("use crate::redis::Script;", "redis"));
        assert!(!names_crate("let a = my_redis::b();", "redis"));
        assert!(!names_crate("mod redis;", "redis"));
    }
}
