//! Which server settings are for.

use clap::ValueEnum;

use crate::tune::machine::Machine;
use crate::tune::setting::Setting;
use crate::tune::{memory, replication, sessions, test, vacuum, wal};

/// What a server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Server {
    /// Takes the appends
    Primary,
    /// A streaming standby that is read
    Replica,
    /// For tests, primary and replicas alike: fast, and nothing survives a power cut
    Test,
}

/// What a server should be set to, on this machine. What equals the default of every version is left out, but for durability.
pub(crate) fn advice(server: Server, machine: &Machine) -> Vec<Setting> {
    if server == Server::Test {
        return test::settings(machine);
    }
    let all = [memory::settings, wal::settings, replication::settings, vacuum::settings, sessions::settings];
    let mut settings: Vec<_> = all.iter().flat_map(|settings| settings(server, machine)).collect();
    settings.sort_by_key(|setting| setting.topic);
    settings
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::tune::machine::{Disk, SUPPORTED, Version};
    use crate::tune::size::Size;

    fn machine(memory: u64, cpus: u32, version: Option<u32>) -> Machine {
        let (memory, version) = (Size::gb(memory), Version(version));
        Machine { memory, cpus, disk: Disk::Ssd, connections: 200, version }
    }

    fn value(server: Server, machine: &Machine, name: &str) -> Option<String> {
        advice(server, machine).into_iter().find(|setting| setting.name == name).map(|setting| setting.value)
    }

    #[test]
    fn sizes_follow_memory_and_processors() {
        let expected = [
            (4, 4, ["1GB", "3GB", "256MB", "10MB", "8GB", "2GB"]),
            (16, 8, ["4GB", "12GB", "1GB", "40MB", "32GB", "8GB"]),
            (64, 16, ["16GB", "48GB", "2047MB", "64MB", "64GB", "16GB"]),
            (16 << 10, 64, ["32GB", "12TB", "2047MB", "64MB", "64GB", "16GB"]),
        ];
        let names = [
            "shared_buffers",
            "effective_cache_size",
            "maintenance_work_mem",
            "work_mem",
            "max_wal_size",
            "min_wal_size",
        ];
        for (memory, cpus, values) in expected {
            let machine = machine(memory, cpus, None);
            let found = names.map(|name| value(Server::Primary, &machine, name).unwrap());
            assert_eq!(found, values, "{memory} GiB");
        }
    }

    #[test]
    fn memory_is_never_promised_twice() {
        for (memory, connections) in [(2, 100), (4, 200), (16, 400), (64, 1000)] {
            let machine = Machine { connections, ..machine(memory, 4, None) };
            let size = |name| value(Server::Primary, &machine, name).unwrap().parse::<Size>().unwrap().0;
            let least = Size::mb(4).0 * u64::from(connections);
            let all = size("shared_buffers") + u64::from(connections) * size("work_mem");
            assert!(all <= machine.memory.0 / 4 * 3 + least, "{memory} GiB: {all}");
        }
    }

    #[test]
    fn more_connections_than_memory_are_warned_of() {
        let warns = |memory, connections| {
            let machine = Machine { connections, ..machine(memory, 4, None) };
            let all = advice(Server::Primary, &machine);
            all.iter().any(|setting| setting.name == "work_mem" && setting.reason.contains("have fewer"))
        };
        assert!(warns(2, 1000) && !warns(2, 200) && !warns(16, 1000));
    }

    #[test]
    fn primary_and_replica_differ_in_nothing_but_what_is_said() {
        for version in [None, Some(15), Some(18)] {
            let machine = machine(16, 8, version);
            let values = |server| -> BTreeSet<_> {
                advice(server, &machine).into_iter().map(|setting| (setting.name, setting.value)).collect()
            };
            assert_eq!(values(Server::Primary), values(Server::Replica));
        }
    }

    /// A standby that has fewer of these than its primary does not start.
    #[test]
    fn what_a_standby_may_not_have_fewer_of_is_the_same_on_each_machine() {
        for (of_primary, of_replica) in [(16, 8), (32, 2), (512, 4)] {
            for name in ["max_worker_processes", "max_connections"] {
                let of = |cpus| value(Server::Primary, &machine(16, cpus, None), name).unwrap();
                assert_eq!(
                    of(of_primary),
                    of(of_replica),
                    "{name}: {of_primary} and {of_replica} processors"
                );
            }
        }
    }

    #[test]
    fn a_version_is_told_only_what_it_knows() {
        let names = |version| -> BTreeSet<_> {
            advice(Server::Primary, &machine(64, 32, version))
                .into_iter()
                .map(|setting| setting.name)
                .collect()
        };
        let of_all = names(None);
        for version in SUPPORTED {
            assert!(names(Some(version)).is_superset(&of_all), "{version}");
        }
        assert!(!of_all.contains("idle_replication_slot_timeout") && !of_all.contains("io_workers"));
        assert!(names(Some(18)).contains("idle_replication_slot_timeout"));
        assert!(names(Some(16)).contains("vacuum_buffer_usage_limit"));
        assert!(!names(Some(17)).contains("vacuum_buffer_usage_limit"), "the default from 17 on");
    }

    #[test]
    fn every_setting_is_given_once_and_has_a_reason_and_no_method_is_switched_off() {
        for server in [Server::Primary, Server::Replica, Server::Test] {
            for disk in [Disk::Ssd, Disk::Hdd] {
                let settings = advice(server, &Machine { disk, ..machine(64, 32, Some(18)) });
                let names: BTreeSet<_> = settings.iter().map(|setting| setting.name).collect();
                assert_eq!(names.len(), settings.len(), "{server:?}");
                assert!(names.iter().all(|name| !name.starts_with("enable_")));
                assert!(
                    settings
                        .iter()
                        .all(|setting| setting.reason.len() > 10 && !setting.reason.contains('\n'))
                );
            }
        }
    }
}
