//! What happens to servers, networks and processes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;

use crate::chaos::GIVE_UP;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FaultName {
    /// kill -9 of the primary and all its children, then a start with crash recovery
    Kill,
    /// kill -9 of the primary, whose disk then forgets all WAL that it was not told to flush
    Power,
    /// kill -9 of a process whose clients use the store too, and the start of another one
    Process,
    /// SIGSTOP of the primary or the replica for up to 1.5 s: it says nothing, but keeps its connections
    Stop,
    /// All connections are closed, or hand nothing on for up to 0.8 s and are closed then, or are slow for a while
    Cut,
    /// The answer to an append is lost after its Sync was handed on: nobody knows whether it was carried out
    Ackdrop,
    /// Some of the server's sessions are terminated
    Sessions,
    /// The replica stops to replay for up to 1.5 s
    Pause,
    /// A replica is stopped, or its line goes dead, until the store has noticed, and comes back
    Replica,
    /// The primary dies with appends that no replica has, and a replica is promoted: the end of the log is lost
    Failover,
    /// The same where each commit waits for a replica: nothing that was acknowledged is lost
    FailoverSync,
    /// Patroni is asked to make another node the primary, in good order
    Switchover,
    /// The primary under Patroni, and its Patroni, are killed
    Leader,
    /// The disk of the primary's data is full, until an append was refused
    FullData,
    /// The disk of the primary's WAL is full, until the server gave up
    FullWal,
}

impl FaultName {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Power => "power",
            Self::Process => "process",
            Self::Stop => "stop",
            Self::Cut => "cut",
            Self::Ackdrop => "ackdrop",
            Self::Sessions => "sessions",
            Self::Pause => "pause",
            Self::Replica => "replica",
            Self::Failover => "failover",
            Self::FailoverSync => "failover-sync",
            Self::Switchover => "switchover",
            Self::Leader => "leader",
            Self::FullData => "full-data",
            Self::FullWal => "full-wal",
        }
    }

    /// Whether it is for servers that Patroni runs.
    fn is_of_patroni(self) -> bool {
        matches!(self, Self::Switchover | Self::Leader)
    }

    /// How long it may take, with its healing.
    pub(super) fn patience(self) -> Duration {
        match self {
            // A primary that is gone is missed after twenty seconds.
            Self::Switchover | Self::Leader => Duration::from_secs(180),
            // They wait for the clients, or for the watch, on the way.
            Self::Failover | Self::FailoverSync | Self::Replica => 3 * GIVE_UP,
            _ => GIVE_UP,
        }
    }

    /// Whether another of our servers becomes the primary.
    fn is_failover(self) -> bool {
        matches!(self, Self::Failover | Self::FailoverSync)
    }

    /// Whether it needs servers whose disks can be filled.
    fn fills_a_disk(self) -> bool {
        matches!(self, Self::FullData | Self::FullWal)
    }
}

impl fmt::Display for FaultName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A kind of fault, and how many of it; as many as the time allows if nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FaultCount {
    pub(crate) name: FaultName,
    pub(crate) left: Option<u64>,
}

/// Faults that go together, each kind once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Faults(Vec<FaultCount>);

impl Faults {
    pub(super) fn as_slice(&self) -> &[FaultCount] {
        &self.0
    }

    pub(super) fn have(&self, name: FaultName) -> bool {
        self.0.iter().any(|fault| fault.name == name)
    }

    pub(super) fn fill_disks(&self) -> bool {
        self.0.iter().any(|fault| fault.name.fills_a_disk())
    }

    /// Whether the servers are to be run by Patroni: then no other faults are there.
    pub(crate) fn are_of_patroni(&self) -> bool {
        self.0.iter().any(|fault| fault.name.is_of_patroni())
    }

    pub(super) fn fail_over(&self) -> bool {
        self.0.iter().any(|fault| fault.name.is_failover())
    }

    /// Faults that can not be in one run, and why.
    fn check(&self) -> Result<(), String> {
        use FaultName::{Failover, FailoverSync, Pause, Power, Process, Replica};
        let no_replica = "needs a replica, which there is none of where disks are filled";
        let of_full_disks =
            [Pause, Replica, Failover, FailoverSync].map(|name| (self.fill_disks(), name, no_replica));
        let excluded = of_full_disks.into_iter().chain([
            (self.fill_disks(), Power, "needs a disk that forgets, which is none that can be filled"),
            (self.fail_over(), Power, "needs the one primary whose disk forgets, which a failover leaves"),
            (self.fail_over(), Process, "has clients whose handle nobody asks what a failover lost"),
            (self.have(Failover), FailoverSync, "must lose nothing, and failover loses something"),
        ]);
        if self.are_of_patroni()
            && let Some(other) = self.0.iter().find(|fault| !fault.name.is_of_patroni())
        {
            return Err(format!("{} is for servers that Patroni does not run", other.name));
        }
        match excluded.into_iter().find(|(is_so, name, _)| *is_so && self.have(*name)) {
            Some((_, name, why)) => Err(format!("{name} {why}")),
            None => Ok(()),
        }
    }
}

impl FromStr for Faults {
    type Err = String;

    /// `kill=50,cut`; `full` stands for both disks.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut faults: Vec<FaultCount> = Vec::new();
        for text in text.split(',') {
            for fault in fault(text)? {
                if faults.iter().any(|other| other.name == fault.name) {
                    return Err(format!("{} is there twice", fault.name));
                }
                faults.push(fault);
            }
        }
        let faults = Self(faults);
        faults.check().map(|()| faults)
    }
}

fn fault(text: &str) -> Result<Vec<FaultCount>, String> {
    let (name, count) = text.split_once('=').map_or((text, None), |(name, count)| (name, Some(count)));
    let names = match name {
        "full" => vec![FaultName::FullData, FaultName::FullWal],
        name => vec![FaultName::from_str(name, false).map_err(|_| {
            let known: Vec<_> = FaultName::value_variants().iter().map(|name| name.as_str()).collect();
            format!("{name:?} is no fault; expected some of {}, full", known.join(", "))
        })?],
    };
    let left = match count.map(str::parse) {
        None => None,
        Some(Ok(count @ 1..)) => Some(count),
        Some(_) => return Err("expected a number of faults after =, such as kill=50".to_owned()),
    };
    Ok(names.into_iter().map(|name| FaultCount { name, left }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_with_their_counts() {
        let faults: Faults = "kill=5,full=2".parse().unwrap();
        let (names, counts): (Vec<_>, Vec<_>) =
            faults.as_slice().iter().map(|fault| (fault.name, fault.left)).unzip();
        assert_eq!(names, [FaultName::Kill, FaultName::FullData, FaultName::FullWal]);
        assert_eq!(counts, [Some(5), Some(2), Some(2)]);
    }

    #[test]
    fn faults_that_do_not_go_together_are_refused() {
        for (text, said) in [
            ("kill=5,kill=6", "kill is there twice"),
            ("full,full-wal", "full-wal is there twice"),
            ("earthquake", "\"earthquake\" is no fault; expected some of kill, power"),
            ("kill=0", "kill=50"),
            ("kill=many", "kill=50"),
            ("", "\"\" is no fault"),
            ("full,pause", "pause needs a replica"),
            ("power,full-data", "power needs a disk that forgets"),
            ("failover,full", "failover needs a replica"),
            ("failover-sync,failover", "failover-sync must lose nothing"),
            ("leader,switchover,kill", "kill is for servers that Patroni does not run"),
            ("failover,process", "process has clients"),
        ] {
            let error = text.parse::<Faults>().unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
