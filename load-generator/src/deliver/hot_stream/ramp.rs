//! How many users there are at which time.

use std::str::FromStr;
use std::time::Duration;

/// More tasks than that are not the users of one conversation.
const MOST_USERS: usize = 10_000;

/// Phases in which users are added evenly, beginning with one. As typed: `50=12s,200=108s`.
#[derive(Debug, Clone)]
pub(crate) struct Ramp {
    phases: Vec<Phase>,
    /// When each user begins.
    starts: Vec<Duration>,
}

#[derive(Debug, Clone)]
struct Phase {
    from: usize,
    to: usize,
    ends: Duration,
}

impl Ramp {
    /// When each user begins, the first one at once.
    pub(super) fn starts(&self) -> &[Duration] {
        &self.starts
    }

    /// How long all phases take.
    pub(super) fn length(&self) -> Duration {
        self.phases.last().map_or(Duration::ZERO, |phase| phase.ends)
    }

    /// How many users have begun by then.
    pub(super) fn users_at(&self, at: Duration) -> usize {
        self.starts.partition_point(|start| *start <= at)
    }

    /// The number of the phase; that of the last one afterwards.
    pub(super) fn phase_at(&self, at: Duration) -> usize {
        self.phases.partition_point(|phase| phase.ends <= at).min(self.phases.len().saturating_sub(1))
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.phases.iter().map(|phase| format!("{} to {} users", phase.from, phase.to)).collect()
    }
}

impl FromStr for Ramp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (mut phases, mut starts) = (Vec::new(), vec![Duration::ZERO]);
        let (mut from, mut begins) = (1, Duration::ZERO);
        for text in text.split(',') {
            let (to, length) = phase(text)?;
            if to < from {
                return Err(format!("{text:?} comes after {from} users; expected no fewer than before"));
            }
            let added = to - from;
            let share = |nth: usize| nth as f64 / added as f64;
            starts.extend((1..=added).map(|nth| begins + length.mul_f64(share(nth))));
            begins += length;
            phases.push(Phase { from, to, ends: begins });
            from = to;
        }
        Ok(Self { phases, starts })
    }
}

fn phase(text: &str) -> Result<(usize, Duration), String> {
    let expected =
        || format!("{text:?} is no phase; expected users and how long they take to come, such as 50=12s");
    let (users, length) = text.split_once('=').ok_or_else(expected)?;
    let users: usize = users.parse().map_err(|_| expected())?;
    let length = humantime::parse_duration(length).map_err(|_| expected())?;
    if users == 0 || users > MOST_USERS {
        return Err(format!("{text:?} has {users} users; expected 1 to {MOST_USERS}"));
    }
    if length.is_zero() || length > Duration::from_secs(24 * 60 * 60) {
        return Err(format!("{text:?} takes no time, or more than a day"));
    }
    Ok((users, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_come_evenly_within_each_phase() {
        let ramp: Ramp = "5=4s,7=10s,7=1s".parse().unwrap();
        assert_eq!(ramp.starts(), [0, 1, 2, 3, 4, 9, 14].map(Duration::from_secs));
        assert_eq!(ramp.length(), Duration::from_secs(15));
        let at = Duration::from_millis(4_500);
        assert_eq!((ramp.users_at(at), ramp.phase_at(at)), (5, 1));
        assert_eq!((ramp.users_at(ramp.length()), ramp.phase_at(ramp.length())), (7, 2));
        assert_eq!(ramp.names(), ["1 to 5 users", "5 to 7 users", "7 to 7 users"]);
    }

    #[test]
    fn what_is_no_ramp_is_refused() {
        for text in ["", "5", "5=", "0=1s", "many=1s", "5=0s", "5=1s,4=1s", "5=1s,", "20000=1s", "5=9000y"] {
            assert!(text.parse::<Ramp>().is_err(), "{text:?}");
        }
    }
}
