//! Where a reader is: its place in the feed of every queue that it has heard of. As text it is the id of an event.
//!
//! An id goes out with every event, so it is kept short: places are alike (they begin with a time, and have many zeros), and what a place
//! shares with the one before it is not repeated.

use std::{collections::BTreeMap, fmt, str::FromStr};

/// Places by queue number. A place grows as text within its queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Position(BTreeMap<u16, String>);

/// Longer than this no id is.
const TEXT_MAX: usize = 32 * 1024;
/// Longer than this no place is.
const PLACE_MAX: usize = 64;
/// Stands before how many characters are those of the place before.
const SHARED: char = '*';
/// Stands before how many zeros there are.
const ZEROS: char = '~';
/// What one digit can count.
const COUNT_MAX: usize = 35;
/// Shorter runs are not worth the two characters.
const WORTH: usize = 3;

impl Position {
    /// The place in a queue's feed.
    pub(crate) fn get(&self, queue: u16) -> Option<&str> {
        self.0.get(&queue).map(String::as_str)
    }
    /// Goes on to `place`; never back.
    pub(crate) fn reach(&mut self, queue: u16, place: &str) {
        if place.is_empty() {
            return;
        }
        let known = self.0.entry(queue).or_default();
        if known.as_str() < place {
            place.clone_into(known);
        }
    }
    /// Whether this reader has had what stands at `place`.
    pub(crate) fn has(&self, queue: u16, place: &str) -> bool {
        self.get(queue).is_some_and(|known| known >= place)
    }
    /// Whether it is nowhere behind `other`, in the queues that `other` knows.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|(queue, place)| self.has(*queue, place))
    }
    /// Forgets queues that `keep` refuses.
    pub(crate) fn retain(&mut self, keep: impl Fn(u16) -> bool) {
        self.0.retain(|queue, _| keep(*queue));
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        for (n, (queue, place)) in self.0.iter().enumerate() {
            write!(f, "{}{queue:x}:", if n == 0 { "" } else { "," })?;
            let shared = before.bytes().zip(place.bytes()).take_while(|(a, b)| a == b).count().min(COUNT_MAX);
            let shared = if shared < WORTH { 0 } else { shared };
            if shared > 0 {
                write!(f, "{SHARED}{}", digit(shared))?;
            }
            squeeze(place.get(shared..).unwrap_or_default(), f)?;
            before = place;
        }
        Ok(())
    }
}

fn squeeze(place: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut rest = place;
    while !rest.is_empty() {
        let zeros = rest.bytes().take_while(|b| *b == b'0').count().min(COUNT_MAX);
        if zeros >= WORTH {
            write!(f, "{ZEROS}{}", digit(zeros))?;
        }
        let n = if zeros == 0 { rest.find('0').unwrap_or(rest.len()) } else { zeros };
        if zeros < WORTH {
            f.write_str(&rest[..n])?;
        }
        rest = &rest[n..];
    }
    Ok(())
}

fn digit(n: usize) -> char {
    u32::try_from(n).ok().and_then(|n| char::from_digit(n, 36)).unwrap_or('0')
}

/// The text is no id of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoPosition;

impl FromStr for Position {
    type Err = NoPosition;
    fn from_str(text: &str) -> Result<Self, NoPosition> {
        if text.is_empty() || text.len() > TEXT_MAX {
            return Err(NoPosition);
        }
        let (mut places, mut before) = (BTreeMap::new(), String::new());
        for part in text.split(',') {
            let (queue, place) = part.split_once(':').ok_or(NoPosition)?;
            let place = full(place, &before).filter(|place| !place.is_empty()).ok_or(NoPosition)?;
            places.insert(u16::from_str_radix(queue, 16).map_err(|_| NoPosition)?, place.clone());
            before = place;
        }
        Ok(Self(places))
    }
}

/// A place as it was before it was made short.
fn full(short: &str, before: &str) -> Option<String> {
    let count = |digit: Option<char>| digit.and_then(|digit| digit.to_digit(36)).and_then(|n| usize::try_from(n).ok());
    let mut place = String::new();
    let mut left = short.chars();
    if let Some(rest) = short.strip_prefix(SHARED) {
        left = rest.chars();
        place.push_str(before.get(..count(left.next())?)?);
    }
    while let Some(next) = left.next() {
        match next {
            ZEROS => place.extend(std::iter::repeat_n('0', count(left.next())?)),
            next if next.is_ascii_alphanumeric() || matches!(next, '-' | '.' | '_') => place.push(next),
            _ => return None,
        }
        if place.len() > PLACE_MAX {
            return None;
        }
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(places: &[(u16, &str)]) -> Position {
        let mut position = Position::default();
        places.iter().for_each(|(queue, place)| position.reach(*queue, place));
        position
    }

    #[test]
    fn as_text_and_back() {
        for (places, text) in [
            (&[(10, "0017-3"), (1, "0002-1"), (1, "0001-9")][..], "1:~32-1,a:0017-3"),
            (&[(1, "00000001018f0a1b2c3d00000000000000ff"), (2, "00000001018f0a1b2c3d0000000000000100")], "1:~71018f0a1b2c3d~eff,2:*x100"),
            (&[(65_535, "000000000000000000000000000000000000000")], "ffff:~z~4"),
            (&[(0, "018f0a1b2c3d000000000001"), (3, "018f0a1b2d00000000020001")], "0:018f0a1b2c3d~b1,3:*9d~92~31"),
        ] {
            let position = position(places);
            assert_eq!(position.to_string(), text);
            assert_eq!(text.parse(), Ok(position), "{text}");
        }
    }

    #[test]
    fn what_is_behind_and_what_is_not() {
        let position = position(&[(10, "0017-3"), (1, "0002-1"), (1, "")]);
        assert!(position.has(10, "0017-2") && !position.has(10, "0018-0") && !position.has(2, "0001-0"));
        let mut less = position.clone();
        less.retain(|queue| queue == 1);
        assert!(position.covers(&less) && !less.covers(&position) && position.covers(&position));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let long = "0:1,".repeat(TEXT_MAX / 4) + "0:1";
        let far = format!("1:{}", "~z".repeat(2));
        for wrong in ["", "1", "1:", ":x", "g:1", "1:a b", "1:x,,", "10000:1", "1:*3", "1:a,2:*31", "1:~", "1:~é", "1:a*1", &far, &long] {
            assert_eq!(wrong.parse::<Position>(), Err(NoPosition), "{wrong}");
        }
    }
}
