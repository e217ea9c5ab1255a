//! Amounts of memory, as `postgresql.conf` writes them.

use std::fmt;
use std::str::FromStr;

/// Bytes. PostgreSQL's units are powers of 1024: `16GB` here and there is 16 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub(crate) u64);

impl Size {
    pub(crate) const MB: u64 = 1 << 20;
    pub(crate) const GB: u64 = 1 << 30;

    pub(crate) const fn gb(count: u64) -> Self {
        Self(count * Self::GB)
    }

    pub(crate) const fn mb(count: u64) -> Self {
        Self(count * Self::MB)
    }

    /// A share of it, between two bounds, in whole megabytes.
    pub(crate) fn share(self, of: u64, least: Self, most: Self) -> Self {
        Self(self.0 / of / Self::MB * Self::MB).clamp(least, most)
    }
}

const UNITS: [(&str, u64); 4] = [("TB", 1 << 40), ("GB", Size::GB), ("MB", Size::MB), ("kB", 1 << 10)];

/// In the largest unit that says it exactly.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().find(|(_, bytes)| self.0 > 0 && self.0.is_multiple_of(*bytes)) {
            Some((unit, bytes)) => write!(f, "{}{unit}", self.0 / bytes),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected an amount such as 16GB or 512MB, found {text:?}");
        let digits = text.find(|char: char| !char.is_ascii_digit()).ok_or_else(expected)?;
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim().to_ascii_lowercase().replace("ib", "b");
        let bytes = UNITS.iter().find(|(name, _)| name.to_ascii_lowercase() == unit).ok_or_else(expected)?.1;
        let number: u64 = number.parse().map_err(|_| expected())?;
        number.checked_mul(bytes).map(Self).ok_or_else(expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written_as_postgresql_does() {
        for (text, bytes) in
            [("16GB", 16 << 30), ("512MB", 512 << 20), ("4GiB", 4 << 30), ("64 kb", 64 << 10)]
        {
            assert_eq!(text.parse::<Size>().unwrap().0, bytes, "{text}");
        }
        assert_eq!(Size(1536 << 20).to_string(), "1536MB");
        assert_eq!((Size::gb(2048).to_string(), Size(100).to_string()), ("2TB".into(), "100B".into()));
        for text in ["", "16", "GB", "-1GB", "1.5GB", "16 apples", "99999999999999TB"] {
            assert!(text.parse::<Size>().unwrap_err().contains("16GB"), "{text}");
        }
    }
}
