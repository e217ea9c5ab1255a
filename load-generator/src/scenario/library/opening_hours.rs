//! When the library's desk is open.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const HOURS: f64 = 24.0;

/// From one hour to a later one, of days that last as long as one likes: `8-20/60s`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct OpeningHours {
    opens: f64,
    closes: f64,
    day: Duration,
}

impl OpeningHours {
    /// Whether it is open so long after the start, which is the hour at which it opens: a run that is shorter than a day
    /// does not only see the night.
    pub(crate) fn is_open(&self, since_start: Duration) -> bool {
        let days = since_start.as_secs_f64() / self.day.as_secs_f64();
        days.fract() * HOURS < self.closes - self.opens
    }
}

impl fmt::Display for OpeningHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}/{}", self.opens, self.closes, humantime::format_duration(self.day))
    }
}

impl FromStr for OpeningHours {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = "expected two hours and the length of a day, such as 8-20/60s: open from 8 to 20 o'clock, of days \
                    that last 60 s each";
        let parts = text.split_once('/').and_then(|(hours, day)| Some((hours.split_once('-')?, day)));
        let ((opens, closes), day) = parts.ok_or(form)?;
        let hour = |text: &str| text.trim().parse::<f64>().map_err(|_| form);
        let (opens, closes) = (hour(opens)?, hour(closes)?);
        if !(0.0 <= opens && opens < closes && closes <= HOURS) {
            return Err(format!(
                "expected hours from 0 to 24, the second after the first, not {opens}-{closes}"
            ));
        }
        let day = humantime::parse_duration(day.trim()).map_err(|error| format!("{error}; {form}"))?;
        if day.is_zero() {
            return Err("expected days that are longer than 0".to_owned());
        }
        Ok(Self { opens, closes, day })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_when_it_opens() {
        let hours: OpeningHours = "8-20/60s".parse().unwrap();
        for (seconds, is_open) in [(0, true), (29, true), (30, false), (59, false), (60, true), (150, false)]
        {
            assert_eq!(hours.is_open(Duration::from_secs(seconds)), is_open, "{seconds} s");
        }
        let always: OpeningHours = "0-24/1m".parse().unwrap();
        assert!((0..200).all(|seconds| always.is_open(Duration::from_secs(seconds))));
        let short: OpeningHours = "9.5-10/24h".parse().unwrap();
        assert!(short.is_open(Duration::from_secs(29 * 60)) && !short.is_open(Duration::from_secs(31 * 60)));
    }

    #[test]
    fn what_is_expected_is_said() {
        for (text, said) in [
            ("", "8-20/60s"),
            ("8-20", "8-20/60s"),
            ("8/60s", "8-20/60s"),
            ("early-late/60s", "8-20/60s"),
            ("8-20/soon", "8-20/60s"),
            ("20-8/60s", "the second after the first"),
            ("8-25/60s", "from 0 to 24"),
            ("NaN-20/60s", "from 0 to 24"),
            ("8-20/0s", "longer than 0"),
        ] {
            let error = text.parse::<OpeningHours>().unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
