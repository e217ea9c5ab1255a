//! The settings of a live server.

use std::collections::BTreeMap;

use crate::tune::Size;

/// A parameter as the server has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LiveSetting {
    /// In units of `unit`.
    pub(crate) value: String,
    pub(crate) unit: Option<String>,
    /// As `SHOW` prints it.
    pub(crate) shown: String,
    pub(crate) source: String,
    /// `postmaster` if it takes a restart.
    pub(crate) context: String,
    /// File and line, where our role may know.
    pub(crate) place: Option<String>,
    pub(crate) is_pending: bool,
}

/// All parameters of a server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings(pub(crate) BTreeMap<String, LiveSetting>);

impl LiveSetting {
    /// Whether somebody has set it for the whole server.
    pub(crate) fn is_set(&self) -> bool {
        matches!(
            self.source.as_str(),
            "configuration file" | "command line" | "environment variable" | "global"
        )
    }

    /// In bytes or milliseconds where it has a unit.
    pub(crate) fn number(&self) -> Option<f64> {
        let factor = match self.unit.as_deref() {
            None | Some("") => 1.0,
            // Pages: 8kB.
            Some(unit) if unit.starts_with(|char: char| char.is_ascii_digit()) => amount(unit)?,
            Some(unit) => amount(&format!("1{unit}"))?,
        };
        self.value.parse::<f64>().ok().map(|value| value * factor)
    }

    /// Such as ` (in /etc/postgresql.conf, line 7)`.
    pub(crate) fn place(&self) -> String {
        self.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default()
    }
}

impl Settings {
    pub(crate) fn get(&self, name: &str) -> Option<&LiveSetting> {
        self.0.get(name)
    }

    /// In bytes or milliseconds where it has a unit; `None` also for a parameter that this version does not have.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        self.get(name)?.number()
    }

    pub(crate) fn is(&self, name: &str, value: &str) -> bool {
        self.get(name).is_some_and(|setting| setting.value == value)
    }

    /// As `SHOW` prints it.
    pub(crate) fn shown(&self, name: &str) -> &str {
        self.get(name).map_or("", |setting| &setting.shown)
    }

    /// The statement that sets a parameter, and what makes it count.
    pub(crate) fn set(&self, name: &str, value: &str) -> String {
        let live = self.get(name);
        let is = |field: fn(&LiveSetting) -> &str, value| live.is_some_and(|live| field(live) == value);
        let then = match () {
            () if is(|live| &live.source, "command line") => {
                "-- and take it from the command line, which comes before this; restart the server"
            }
            () if is(|live| &live.context, "postmaster") => "-- then restart the server",
            () => "SELECT pg_reload_conf();",
        };
        format!("ALTER SYSTEM SET {name} = '{}'; {then}", value.trim_matches('\''))
    }
}

/// A value of `postgresql.conf`, in bytes or milliseconds where it has a unit.
pub(crate) fn amount(text: &str) -> Option<f64> {
    let text = text.trim_matches('\'');
    if let Ok(size) = text.parse::<Size>() {
        return Some(size.0 as f64);
    }
    let digits = text.find(|char: char| char.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "" | "ms" | "B" => 1.0,
        "us" => 0.001,
        "s" => 1_000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_units_are_compared_in_bytes_and_milliseconds() {
        let number = |value: &str, unit: Option<&str>| {
            let unit = unit.map(str::to_owned);
            LiveSetting { value: value.to_owned(), unit, ..LiveSetting::default() }.number()
        };
        assert_eq!(number("131072", Some("8kB")), amount("1GB"));
        assert_eq!(number("8192", Some("MB")), amount("8GB"));
        assert_eq!(number("900", Some("s")), amount("15min"));
        assert_eq!(number("300000", Some("ms")), amount("'5min'"));
        assert_eq!((number("0.02", None), number("-1", Some("MB"))), (Some(0.02), Some(-1_048_576.0)));
        assert_eq!((amount("lz4"), number("on", None)), (None, None));
    }
}
