//! What to think of what was read. Pure: plain values in, findings out.

mod advised;
mod archive;
mod balance;
mod expected;
mod history;
mod inline;
mod lock;
mod log;
mod planner;
mod replication;
mod safety;
mod sessions;
mod slots;
mod standbys;
mod tables;
mod vacuum;

use crate::doctor::finding::Finding;
use crate::doctor::look::{Look, Role};
use crate::tune::{Disk, Size, Version};

/// What the servers are measured by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    /// Of one server; `None` if nobody said and it can not be known.
    pub(crate) machine: Option<Hardware>,
    pub(crate) disk: Disk,
}

/// Memory and processors of a server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hardware {
    pub(crate) memory: Size,
    pub(crate) cpus: u32,
}

/// The findings of one server, the worst first. `primary` is the one that a replica follows, where it could be looked at.
pub(crate) fn judge(look: &Look, primary: Option<&Look>, scale: &Scale) -> Vec<Finding> {
    let mut findings = safety::judge(look);
    findings.extend(planner::judge(look));
    findings.extend(advised::judge(look, scale));
    findings.extend(slots::judge(look));
    findings.extend(standbys::judge(look));
    findings.extend(archive::judge(look));
    findings.extend(sessions::judge(look));
    findings.extend(history::judge(look));
    findings.extend(vacuum::judge(look));
    findings.extend(log::judge(look));
    findings.extend(inline::judge(look));
    findings.extend(lock::judge(look));
    findings.extend(tables::judge(look));
    findings.extend(replication::judge(look));
    if let Some(primary) = primary.filter(|_| look.role == Role::Replica) {
        findings.extend(replication::compare(primary, look));
        findings.extend(balance::compare(primary, look));
    }
    // One line for it: what the counters say follows from what is advised already.
    if findings.iter().any(|finding| finding.check == "settings" && finding.what.starts_with("max_wal_size "))
    {
        findings.retain(|finding| finding.check != "checkpoints");
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// The version, for advice that knows only some.
fn version(look: &Look) -> Version {
    Version(Some(look.major()).filter(|version| crate::tune::SUPPORTED.contains(version)))
}

/// For people: the largest unit in which it is at least one, with a digit behind the point.
fn bytes(count: u64) -> String {
    let count = count as f64;
    let units = [(1024.0 * 1024.0 * 1024.0, "GB"), (1024.0 * 1024.0, "MB"), (1024.0, "kB")];
    match units.iter().find(|(unit, _)| count >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", count / unit),
        None => format!("{count:.0} bytes"),
    }
}

/// For people.
fn seconds(count: f64) -> String {
    match count {
        _ if count < 120.0 => format!("{count:.1} s"),
        _ if count < 7_200.0 => format!("{:.0} min", count / 60.0),
        _ => format!("{:.1} h", count / 3_600.0),
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::look::{Checkpoints, LiveSetting};
    use crate::tune::{Machine, Server, advice};

    /// A server of which nothing bad is known.
    pub(super) fn look(role: Role) -> Look {
        let user = "monitor".to_owned();
        Look {
            role,
            is_standby: role == Role::Replica,
            version: 170_004,
            user,
            monitors: true,
            is_log_known: true,
            ..Look::default()
        }
    }

    pub(super) fn scale() -> Scale {
        Scale { machine: Some(Hardware { memory: Size::gb(4), cpus: 4 }), disk: Disk::Ssd }
    }

    /// A server that has what it is advised.
    pub(super) fn advised(role: Role) -> Look {
        let version = Version(Some(17));
        let machine = Machine { memory: Size::gb(4), cpus: 4, disk: Disk::Ssd, connections: 200, version };
        let settings = advice(Server::Primary, &machine);
        let pairs: Vec<_> = settings.iter().map(|setting| (setting.name, setting.value.as_str())).collect();
        with(look(role), &pairs)
    }

    /// With settings of the whole server, in the units that the server has for them, or with one behind the number.
    pub(super) fn with(mut look: Look, settings: &[(&str, &str)]) -> Look {
        for (name, value) in settings {
            let is_plain = value.parse::<f64>().is_ok();
            let unit = match *name {
                "shared_buffers" | "effective_cache_size" if is_plain => Some("8kB"),
                "checkpoint_timeout" if is_plain => Some("s"),
                _ => None,
            };
            let (value, unit) = match crate::doctor::look::amount(value) {
                Some(amount) if !is_plain => (amount.to_string(), None),
                _ => ((*value).to_owned(), unit.map(str::to_owned)),
            };
            let context = if *name == "shared_buffers" { "postmaster" } else { "sighup" }.to_owned();
            let (shown, source) = (value.clone(), "configuration file".to_owned());
            let setting = LiveSetting { value, unit, shown, source, context, ..LiveSetting::default() };
            look.settings.0.insert((*name).to_owned(), setting);
        }
        look
    }

    #[test]
    fn a_setting_is_mended_in_one_way() {
        let checkpoints = Some(Checkpoints { timed: 2, requested: 19 });
        let mends = |max_wal_size| -> Vec<_> {
            let look =
                Look { checkpoints, ..with(advised(Role::Primary), &[("max_wal_size", max_wal_size)]) };
            let mends = judge(&look, None, &scale()).into_iter().filter_map(|finding| finding.mend);
            mends.filter(|mend| mend.contains("max_wal_size")).collect()
        };
        assert_eq!(mends("512MB").len(), 1, "{:?}", mends("512MB"));
        assert!(mends("512MB")[0].contains("'8GB'") && mends("8GB")[0].contains("'16384MB'"));
    }

    #[test]
    fn amounts_are_told_in_units_for_people() {
        assert_eq!([bytes(1 << 30), bytes(3 << 19), bytes(7)], ["1.0 GB", "1.5 MB", "7 bytes"]);
        assert_eq!([seconds(3.21), seconds(600.0), seconds(9_000.0)], ["3.2 s", "10 min", "2.5 h"]);
    }
}
