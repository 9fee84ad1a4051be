//! One field of a cron expression: which values it has, and what may stand in it.

/// A field's place in an expression with seconds is its index in [`FIELDS`].
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    least: u32,
    most: u32,
    /// The name of `least`, of `least + 1`, …
    names: &'static [&'static str],
    days: Days,
}

/// What a field has to do with days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Days {
    No,
    OfMonth,
    OfWeek,
}

pub(super) const SECOND: usize = 0;
pub(super) const MINUTE: usize = 1;
pub(super) const HOUR: usize = 2;
pub(super) const DAY_OF_MONTH: usize = 3;
pub(super) const MONTH: usize = 4;
pub(super) const DAY_OF_WEEK: usize = 5;

pub(super) const FIELDS: [Field; 6] = [
    Field { name: "second", least: 0, most: 59, names: &[], days: Days::No },
    Field { name: "minute", least: 0, most: 59, names: &[], days: Days::No },
    Field { name: "hour", least: 0, most: 23, names: &[], days: Days::No },
    Field { name: "day of month", least: 1, most: 31, names: &[], days: Days::OfMonth },
    Field {
        name: "month",
        least: 1,
        most: 12,
        names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
        days: Days::No,
    },
    Field { name: "day of week", least: 0, most: 7, names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], days: Days::OfWeek },
];

/// A fault inside a field.
#[derive(Debug)]
pub(super) struct Fault {
    /// Characters before the faulty part.
    pub(super) skip: usize,
    pub(super) detail: String,
    pub(super) allowed: String,
}

impl Fault {
    pub(super) fn new(skip: usize, detail: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self { skip, detail: detail.into(), allowed: allowed.into() }
    }
}

impl Field {
    /// Reads what stands in the field and answers it in the one spelling that is handed on: names as numbers, `?` as `*`. Every item with a
    /// fault adds one.
    pub(super) fn read(&self, text: &str, faults: &mut Vec<Fault>) -> String {
        if text == "*" || (text == "?" && self.days != Days::No) {
            return "*".into();
        }
        let (mut skip, mut items) = (0, Vec::new());
        for item in text.split(',') {
            match self.item(item) {
                Ok(read) => items.push(read),
                Err(fault) => faults.push(Fault { skip: skip + fault.skip, ..fault }),
            }
            skip += item.chars().count() + 1;
        }
        if items.iter().any(|item| item == "L") && items.iter().any(|item| item == "LW") {
            faults.push(Fault::new(0, "both `L` and `LW`", "one of them"));
        }
        items.join(",")
    }

    fn item(&self, item: &str) -> Result<String, Fault> {
        match item {
            "" => return Err(Fault::new(0, "nothing stands where a value should", self.allowed())),
            "*" => return Err(Fault::new(0, "`*` in a list", "`*` alone, or a list without it")),
            "?" if self.days == Days::No => return Err(Fault::new(0, "`?` in this field", "`?` only as day of month or day of week")),
            "?" => return Err(Fault::new(0, "`?` in a list", "`?` alone, or a list without it")),
            _ => {}
        }
        let upper = item.to_ascii_uppercase();
        if self.days == Days::OfMonth && (upper == "L" || upper == "LW") {
            return Ok(upper);
        }
        if let Some((range, step)) = item.split_once('/') {
            return self.stepped(range, step);
        }
        if let Some((first, last)) = item.split_once('-') {
            let (first, last) = self.range(first, last)?;
            return Ok(format!("{first}-{last}"));
        }
        if let Some((day, nth)) = item.split_once('#') {
            return self.nth(day, nth);
        }
        // A name's letters come first: DEC, WED and JUL are values.
        if let Ok(value) = self.value(item) {
            return Ok(value.to_string());
        }
        if let Some(day) = upper.strip_suffix('L').filter(|day| day.is_empty() || self.is_value(day)) {
            return self.last(day);
        }
        if let Some(day) = upper.strip_suffix('W').filter(|day| day.is_empty() || *day == "L" || self.is_value(day)) {
            return self.nearest(day);
        }
        self.value(item).map(|value| value.to_string())
    }

    fn stepped(&self, range: &str, step: &str) -> Result<String, Fault> {
        let at = range.chars().count() + 1;
        let read = match range.split_once('-') {
            Some((first, last)) => {
                let (first, last) = self.range(first, last)?;
                format!("{first}-{last}")
            }
            None if range == "*" => "*".into(),
            None => {
                let first = self.value(range).map_or_else(|_| self.least.to_string(), |first| first.to_string());
                let allowed = format!("`*/{step}`, or with a range such as `{first}-{}/{step}`", self.most);
                return Err(Fault::new(0, format!("`{range}/{step}` steps through no range"), allowed));
            }
        };
        let most = self.most - self.least;
        match number(step) {
            Some(step) if (1..=most).contains(&step) => Ok(format!("{read}/{step}")),
            _ => Err(Fault::new(at, format!("the step `{step}`"), format!("1..={most}"))),
        }
    }

    fn range(&self, first_text: &str, last_text: &str) -> Result<(u32, u32), Fault> {
        let first = self.value(first_text)?;
        let mut last = self.value(last_text).map_err(|fault| Fault { skip: first_text.chars().count() + 1, ..fault })?;
        // Sunday ends a week as well as it begins one.
        if self.days == Days::OfWeek && last == 0 && first > 0 && number(last_text).is_none() {
            last = 7;
        }
        if last < first {
            let least = if self.days == Days::OfWeek { 6 } else { self.most };
            let allowed = format!("the smaller first; around the end: `{first}-{least},{}-{last}`", self.least);
            return Err(Fault::new(0, format!("the range `{first_text}-{last_text}` runs backwards"), allowed));
        }
        Ok((first, last))
    }

    fn nth(&self, day: &str, nth: &str) -> Result<String, Fault> {
        if self.days != Days::OfWeek {
            return Err(Fault::new(0, format!("`{day}#{nth}` in this field"), "`#` only as day of week"));
        }
        let at = day.chars().count() + 1;
        let day = self.value(day)?;
        match number(nth) {
            Some(nth) if (1..=5).contains(&nth) => Ok(format!("{day}#{nth}")),
            _ => Err(Fault::new(at, format!("the `{nth}` after `#`"), "1..=5")),
        }
    }

    fn last(&self, day: &str) -> Result<String, Fault> {
        match self.days {
            Days::OfWeek if day.is_empty() => Err(Fault::new(0, "`L` without a day", "such as `5L` or `FRIL`, the month's last Friday")),
            Days::OfWeek => self.value(day).map(|day| format!("{day}L")),
            Days::OfMonth => Err(Fault::new(0, format!("`{day}L` in this field"), "`L` or `LW`; `nL` only as day of week")),
            Days::No => Err(Fault::new(0, format!("`{day}L` in this field"), "`L` only as day of month or day of week")),
        }
    }

    fn nearest(&self, day: &str) -> Result<String, Fault> {
        match self.days {
            Days::OfMonth if day.is_empty() => {
                Err(Fault::new(0, "`W` without a day", "such as `15W`, the weekday nearest to the 15th, or `LW`"))
            }
            Days::OfMonth => self.value(day).map(|day| format!("{day}W")),
            _ => Err(Fault::new(0, format!("`{day}W` in this field"), "`W` only as day of month")),
        }
    }

    /// A number or a name.
    fn value(&self, text: &str) -> Result<u32, Fault> {
        let named = self.names.iter().zip(self.least..).find(|(name, _)| name.eq_ignore_ascii_case(text));
        if let Some((_, value)) = named {
            return Ok(value);
        }
        if text.is_empty() {
            return Err(Fault::new(0, "nothing stands where a value should", self.allowed()));
        }
        match number(text) {
            Some(value) if (self.least..=self.most).contains(&value) => Ok(value),
            Some(_) => Err(Fault::new(0, format!("`{text}` is out of range"), self.allowed())),
            None => Err(Fault::new(0, format!("`{text}` is no value"), self.allowed())),
        }
    }

    /// A value, though perhaps out of range.
    fn is_value(&self, text: &str) -> bool {
        number(text).is_some() || self.value(text).is_ok()
    }

    fn allowed(&self) -> String {
        let names = match self.names {
            [first, .., last] => format!(" or {first}..{last}"),
            _ => String::new(),
        };
        let more = match self.days {
            Days::No => "",
            Days::OfMonth => ", `L`, `LW`, `nW`, `?`",
            Days::OfWeek => ", `nL`, `n#k`, `?`",
        };
        format!("{}..={}{names}, `a-b`, `a-b/n`, `*/n`{more}, lists of these, or `*`", self.least, self.most)
    }
}

/// Digits only; what is too long for a number is out of every range.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}
