//! Named statements of a `.sql` file, found while compiling: a name that is not there does not compile.

/// The statement after the line `-- name: NAME` in `file`, up to the next such line or the end.
pub(crate) const fn statement(file: &'static str, name: &str) -> &'static str {
    let (bytes, name) = (file.as_bytes(), name.as_bytes());
    let mut at = 0;
    while at < bytes.len() {
        if has(bytes, at, MARK) && has(bytes, at + MARK.len(), name) && bytes[at + MARK.len() + name.len()] == b'\n' {
            let start = at + MARK.len() + name.len() + 1;
            let mut end = start;
            while end < bytes.len() && !has(bytes, end, MARK) {
                end += 1;
            }
            return file.split_at(end).0.split_at(start).1.trim_ascii();
        }
        at += 1;
    }
    panic!("no statement of this name in the file")
}

const MARK: &[u8] = b"-- name: ";

/// Whether `part` stands in `bytes` at `at`.
const fn has(bytes: &[u8], at: usize, part: &[u8]) -> bool {
    if at + part.len() > bytes.len() {
        return false;
    }
    let mut i = 0;
    while i < part.len() {
        if bytes[at + i] != part[i] {
            return false;
        }
        i += 1;
    }
    true
}
