//! Listpacks and sets of integers: how Redis keeps small collections, in one string.

use super::read::Broken;

/// The elements, numbers as their decimal text.
pub(super) fn listpack(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Broken> {
    let mut elements = Vec::new();
    let mut at = 6;
    loop {
        let head = *bytes.get(at).ok_or(Broken::Cut)?;
        if head == 255 {
            return Ok(elements);
        }
        let (element, length) = element(&bytes[at..], head)?;
        at += length + back_length(length);
        elements.push(element);
    }
}

/// One element and how long it is, its head included.
fn element(bytes: &[u8], head: u8) -> Result<(Vec<u8>, usize), Broken> {
    let low = |bits: u8| usize::from(head & ((1 << bits) - 1));
    let byte = |at: usize| bytes.get(at).copied().map(usize::from).ok_or(Broken::Cut);
    let text = |from: usize, length: usize| {
        let end = from.checked_add(length).ok_or(Broken::Cut)?;
        Ok((bytes.get(from..end).ok_or(Broken::Cut)?.to_vec(), end))
    };
    match head {
        0..=0x7f => Ok((head.to_string().into_bytes(), 1)),
        0x80..=0xbf => text(1, low(6)),
        0xc0..=0xdf => {
            let raw = i64::try_from((low(5) << 8) | byte(1)?).unwrap_or(0);
            let number = if raw >= 1 << 12 { raw - (1 << 13) } else { raw };
            Ok((number.to_string().into_bytes(), 2))
        }
        0xe0..=0xef => text(2, (low(4) << 8) | byte(1)?),
        0xf0 => text(5, (0..4).try_fold(0, |sum, at| Ok::<_, Broken>(sum | (byte(at + 1)? << (8 * at))))?),
        0xf1 => number(bytes, 2),
        0xf2 => number(bytes, 3),
        0xf3 => number(bytes, 4),
        0xf4 => number(bytes, 8),
        _ => Err(Broken::Unknown(format!("an element of a listpack begins with {head}"))),
    }
}

fn number(bytes: &[u8], length: usize) -> Result<(Vec<u8>, usize), Broken> {
    let raw = bytes.get(1..=length).ok_or(Broken::Cut)?;
    Ok((signed(raw).to_string().into_bytes(), 1 + length))
}

/// Little endian, two's complement, of up to eight bytes.
pub(super) fn signed(raw: &[u8]) -> i64 {
    let filler = if raw.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
    let mut whole = [filler; 8];
    whole[..raw.len()].copy_from_slice(raw);
    i64::from_le_bytes(whole)
}

/// How many bytes an element's length takes behind it, for reading from the end.
const fn back_length(length: usize) -> usize {
    match length {
        ..128 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

/// The members of a set of integers: width, count, numbers.
pub(super) fn intset(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Broken> {
    let word = |at: usize| bytes.get(at..at + 4).and_then(|raw| raw.try_into().ok()).map(u32::from_le_bytes).ok_or(Broken::Cut);
    let (width, count) = (word(0)? as usize, word(4)? as usize);
    if !matches!(width, 2 | 4 | 8) || bytes.len() < 8 + width.saturating_mul(count) {
        return Err(Broken::Cut);
    }
    Ok(bytes[8..8 + width * count].chunks_exact(width).map(|raw| signed(raw).to_string().into_bytes()).collect())
}
