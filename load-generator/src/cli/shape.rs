//! How load shapes are typed.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use humantime::format_duration;

use crate::cli::{duration, positive_duration};
use crate::plan::Rate;
use crate::shape::{Burst, Ramp, Spike, Steps};

/// The most requests of one burst.
const MOST_AT_ONCE: u32 = 1_000_000;
/// The most steps, so that a slip of the pen does not last for ever.
const MOST_STEPS: usize = 1_000;

impl FromStr for Ramp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = || {
            let (rates, over) = text.split_once('/')?;
            let (from, to) = rates.split_once("..")?;
            Some((from, to, over))
        };
        let (from, to, over) = parts().ok_or("expected FROM..TO/TIME, such as 100..2000/60s")?;
        let from = if from.trim() == "0" { 0.0 } else { from.trim().parse::<Rate>()?.per_second() };
        Ok(Self { from, to: to.trim().parse()?, over: positive_duration(over.trim())? })
    }
}

impl fmt::Display for Ramp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}/{}", self.from, self.to, format_duration(self.over))
    }
}

impl FromStr for Steps {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rates, each) =
            text.split_once('/').ok_or("expected RATE,RATE,…/TIME, such as 100,200,400/30s")?;
        let rates: Vec<Rate> = rates.split(',').map(|rate| rate.trim().parse()).collect::<Result<_, _>>()?;
        if rates.len() > MOST_STEPS {
            return Err(format!("{} steps, at most {MOST_STEPS}", rates.len()));
        }
        Ok(Self { rates, each: positive_duration(each.trim())? })
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rates: Vec<String> = self.rates.iter().map(Rate::to_string).collect();
        write!(f, "{}/{}", rates.join(","), format_duration(self.each))
    }
}

impl FromStr for Spike {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = || {
            let (rate, rest) = text.split_once('@')?;
            let (after, length) = rest.split_once('/')?;
            Some((rate, after, length))
        };
        let (rate, after, length) = parts()
            .ok_or("expected RATE@AFTER/TIME, such as 3000@20s/5s: 3000 a second from 20 s on, for 5 s")?;
        Ok(Self {
            rate: rate.trim().parse()?,
            after: duration(after.trim())?,
            length: positive_duration(length.trim())?,
        })
    }
}

impl fmt::Display for Spike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}/{}", self.rate, format_duration(self.after), format_duration(self.length))
    }
}

impl FromStr for Burst {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "expected REQUESTS/INTERVAL, such as 500/10s: 500 at once, every 10 s";
        let (requests, every) = text.split_once('/').ok_or(expected)?;
        let requests: u32 = requests.trim().parse().map_err(|_| expected)?;
        let every = positive_duration(every.trim())?;
        if !(1..=MOST_AT_ONCE).contains(&requests) {
            return Err(format!("{requests} at once, expected from 1 to {MOST_AT_ONCE}"));
        }
        if every < Duration::from_millis(1) {
            return Err("bursts must be a millisecond apart, or more".to_owned());
        }
        Ok(Self { requests, every })
    }
}

impl fmt::Display for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.requests, format_duration(self.every))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_said_as_they_are_typed() {
        for text in ["100..2000/1m", "0..50/10s", "2000..100/500ms"] {
            assert_eq!(text.parse::<Ramp>().unwrap().to_string(), text);
        }
        assert_eq!("100,200,400/30s".parse::<Steps>().unwrap().to_string(), "100,200,400/30s");
        assert_eq!("3000@20s/5s".parse::<Spike>().unwrap().to_string(), "3000@20s/5s");
        assert_eq!("500/10s".parse::<Burst>().unwrap().to_string(), "500/10s");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["100-200/5s", "100..200", "..5/5s", "100..0/5s", "1..2/0s", "1..2/"] {
            assert!(text.parse::<Ramp>().is_err(), "{text}");
        }
        assert!("100,,200/5s".parse::<Steps>().is_err() && "/5s".parse::<Steps>().is_err());
        assert!("3000@5s".parse::<Spike>().is_err() && "3000/5s@1s".parse::<Spike>().is_err());
        assert!("0/5s".parse::<Burst>().is_err() && "5/1us".parse::<Burst>().is_err());
    }
}
