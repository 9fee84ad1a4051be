//! LZF, as Redis compresses long strings: literal runs and references back, three bits of length in the head.

/// The text, if it is one of that length.
pub(super) fn unpack(packed: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(length);
    let mut bytes = packed.iter().copied();
    while let Some(head) = bytes.next() {
        let head = usize::from(head);
        if head < 32 {
            for _ in 0..=head {
                out.push(bytes.next()?);
            }
            continue;
        }
        let mut run = head >> 5;
        if run == 7 {
            run += usize::from(bytes.next()?);
        }
        let back = ((head & 31) << 8) + usize::from(bytes.next()?) + 1;
        let start = out.len().checked_sub(back)?;
        for at in start..start + run + 2 {
            out.push(*out.get(at)?);
        }
        if out.len() > length {
            return None;
        }
    }
    (out.len() == length).then_some(out)
}
