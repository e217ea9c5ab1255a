//! Of *Event store*: how far replicas are behind, and who says so.

use crate::dashboards::panel::Panel;

const NO_REPLICA: &str = "no replica";
const NO_SLOT: &str = "no replication slot";

pub(super) fn panels() -> Vec<Panel> {
    vec![
        Panel::lines("Replica lag", "s", "By the exporter, which asks both sides and counts on where a replica is silent; by the primary and by the standby, as each knows; and by the store, from the events it knows of.")
            .tall()
            .query("postgresql_replica_lag_seconds{server=~\"$server\"}", "{{server}}")
            .query("postgresql_replication_lag_seconds{server=~\"$server\"}", "{{standby}}, says {{server}}")
            .query("postgresql_replay_lag_seconds{server=~\"$server\"}", "{{server}}, says itself")
            .query("eventstore_replica_lag_seconds{schema=~\"$schema\"}", "{{replica}}, says the store")
            .threshold(10.0, "red")
            .empty(NO_REPLICA),
        Panel::lines("Replica lag in WAL", "bytes", "The same in bytes of WAL that the replica has not replayed.")
            .tall()
            .query("postgresql_replica_lag_bytes{server=~\"$server\"}", "{{server}}")
            .query("postgresql_replication_lag_bytes{server=~\"$server\"}", "{{standby}}, says {{server}}")
            .query("postgresql_replay_lag_bytes{server=~\"$server\"}", "{{server}}, received")
            .query("eventstore_replica_lag_bytes{schema=~\"$schema\"}", "{{replica}}, says the store")
            .empty(NO_REPLICA),
        Panel::lines("Replica lag in events", "short", "Events that a reader of the replica does not see yet.")
            .query("clamp_min(max by (schema) (postgresql_log_head_position{schema=~\"$schema\"}) - on (schema) group_right () (postgresql_log_head_position{schema=~\"$schema\",server=~\"$server\"} and on (instance, server) postgresql_in_recovery == 1), 0)", "{{server}}")
            .query("eventstore_replica_lag_events{schema=~\"$schema\"}", "{{replica}}, says the store")
            .empty(NO_REPLICA),
        Panel::lines("Statements ended on standbys", "ops", "Statements of readers that were ended as they kept replay back. hot_standby_feedback avoids most.")
            .query("rate(postgresql_recovery_conflicts_total{server=~\"$server\"}[$__rate_interval])", "{{server}}")
            .empty(NO_REPLICA),
        Panel::number("Streaming", "short", "Whether each standby receives what is written, as it knows itself, and as its primary does.")
            .query("postgresql_wal_receiver_streaming{server=~\"$server\"}", "{{server}}")
            .query("postgresql_replication_streaming{server=~\"$server\"}", "{{standby}}, says {{server}}")
            .words(("no", "red"), ("yes", "green"))
            .sized(8, 5)
            .empty(NO_REPLICA),
        Panel::number("Standbys", "short", "How many standbys receive what each server writes.")
            .query("postgresql_streaming_standbys{server=~\"$server\"}", "{{server}}")
            .sized(8, 5),
        Panel::number("In rotation", "short", "Whether the store reads from the replica. One that is silent, too old, or another log's is passed over.")
            .query("min by (replica) (eventstore_replica_in_rotation{schema=~\"$schema\"})", "{{replica}}")
            .words(("passed over", "red"), ("read", "green"))
            .sized(8, 5)
            .empty("no application that reads from a replica is scraped"),
        Panel::lines("WAL held back by slots", "bytes", "WAL that is kept for each replication slot, and how much more there may be before it is given up.")
            .many()
            .query("postgresql_slot_retained_bytes{server=~\"$server\"}", "{{slot}} on {{server}}")
            .limit("postgresql_slot_safe_bytes{server=~\"$server\"}", "{{slot}} on {{server}}, still safe")
            .threshold(8_589_934_592.0, "red")
            .empty(NO_SLOT),
        Panel::number("Slots in use", "short", "Whether somebody reads from each slot: one that nobody reads from holds WAL back for nothing.")
            .query("postgresql_slot_active{server=~\"$server\"}", "{{slot}} on {{server}}")
            .words(("idle", "red"), ("in use", "green"))
            .sized(6, 8)
            .empty(NO_SLOT),
        Panel::word("WAL of slots", &["server", "slot", "status"], "What has become of the WAL that each slot needs: unreserved is about to be removed, lost is gone.")
            .query("max by (server, slot, status) (postgresql_slot_wal_status{server=~\"$server\"} == 1)", "{{slot}} on {{server}}")
            .coloured("reserved", "green")
            .coloured("extended", "yellow")
            .coloured("unreserved", "orange")
            .coloured("lost", "red")
            .sized(6, 8)
            .empty(NO_SLOT),
    ]
}
