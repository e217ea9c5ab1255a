//! The files in `tuning/`: what the program prints, and what real servers take.

#![cfg(feature = "cli")]

use std::path::PathBuf;

use testutil::Cluster;

use crate::cli::{eventstore, succeed};
use crate::fixture;

pub(crate) fn file(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tuning");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn printed(arguments: &str) -> String {
    succeed(&mut eventstore(arguments))
}

/// Each says in its head which command printed it.
#[test]
fn the_files_are_what_their_commands_print() {
    for name in ["primary.conf", "replica.conf", "test.conf", "tables.sql"] {
        let text = file(name);
        let command = text.lines().find_map(|line| line.split_once("Printed by: eventstore ")).unwrap().1;
        assert_eq!(printed(command), text, "{name}: eventstore {command} > tuning/{name}");
    }
}

async fn major(dsn: &str) -> i32 {
    let version = "SELECT current_setting('server_version_num')::int / 10000";
    testutil::connect(dsn).await.unwrap().query_one(version, &[]).await.unwrap().get(0)
}

/// Asserts that a server has all lines of a file, but for one that was overridden.
async fn has_all(dsn: &str, text: &str, overridden: &str) {
    let client = testutil::connect(dsn).await.unwrap();
    let rows = client.query("SELECT name FROM pg_file_settings WHERE error IS NOT NULL", &[]).await.unwrap();
    assert!(rows.is_empty(), "{:?}", rows.iter().map(|row| row.get(0)).collect::<Vec<String>>());
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (name, value) = line.split('#').next().unwrap().split_once(" = ").unwrap();
        if name == overridden {
            continue;
        }
        // In the server's own units, as what SHOW prints is not always what was written.
        let is_set = "SELECT source = 'configuration file' AND NOT pending_restart FROM pg_settings WHERE \
            name = lower($1)";
        let row = client.query_opt(is_set, &[&name]).await.unwrap();
        assert!(row.is_some_and(|row| row.get(0)), "{name} = {value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_of_each_version_take_what_is_printed_for_each_size() {
    let version = major(&testutil::servers().primary).await;
    for (memory, cpus) in [(4, 4), (16, 8), (64, 32)] {
        let of = |server: &str| {
            printed(&format!(
                "tune --server {server} --memory {memory}GB --cpus {cpus} --postgresql {version} --disk ssd"
            ))
        };
        let (primary, replica) = (of("primary"), of("replica"));
        // The memory of this machine may be less: only the smallest is started as it is.
        let overridden = if memory == 4 { "" } else { "shared_buffers" };
        let builder = Cluster::builder().replicas(1).configuration(&primary).replica_configuration(&replica);
        let builder = match overridden {
            "" => builder,
            name => builder.setting(name, "'64MB'").replica_configuration(&format!("{name} = '64MB'")),
        };
        let cluster = tokio::task::spawn_blocking(|| builder.start()).await.unwrap().unwrap();
        has_all(&cluster.primary().dsn(), &primary, overridden).await;
        has_all(&cluster.replicas()[0].dsn(), &replica, overridden).await;
    }
}

#[tokio::test]
async fn a_migrated_log_takes_the_storage_parameters_and_goes_on() {
    let log = fixture::Log::new().await;
    let script = printed(&format!("tune --server tables --schema {}", log.schema.name()));
    let client = log.sql().await;
    for _ in 0..2 {
        client.batch_execute(&script).await.unwrap();
    }
    let parameters = "SELECT coalesce(reloptions, '{}') FROM pg_class WHERE oid = to_regclass($1)";
    let of = async |table: &str| -> Vec<String> {
        let name = format!("{}.{table}", log.schema.name());
        client.query_one(parameters, &[&name]).await.unwrap().get(0)
    };
    assert!(of("events").await.contains(&"autovacuum_vacuum_insert_threshold=100000".to_owned()));
    let work = of("group_work").await;
    for kept in ["fillfactor=60", "autovacuum_vacuum_threshold=5000", "vacuum_truncate=off"] {
        assert!(work.contains(&kept.to_owned()), "{kept}: {work:?}");
    }
    log.store.append([eventstore::NewEvent::new("T", serde_json::json!({"n": 1}))]).await.unwrap();
}

/// As docs/operations.md offers it.
#[tokio::test]
async fn partitioned_keys_take_the_storage_parameters_in_each_part() {
    let log = fixture::Log::new().await;
    let (client, name) = (log.sql().await, log.schema.name());
    let partition = format!(
        "BEGIN; ALTER TABLE {name}.keys RENAME TO keys_1;
         CREATE TABLE {name}.keys (LIKE {name}.keys_1 INCLUDING ALL) PARTITION BY RANGE (position);
         ALTER TABLE {name}.keys ATTACH PARTITION {name}.keys_1 FOR VALUES FROM (0) TO (1000);
         CREATE TABLE {name}.keys_2 PARTITION OF {name}.keys FOR VALUES FROM (1000) TO (MAXVALUE)
             PARTITION BY RANGE (position);
         CREATE TABLE {name}.keys_2_1 PARTITION OF {name}.keys_2 DEFAULT; COMMIT"
    );
    client.batch_execute(&partition).await.unwrap();
    client.batch_execute(&printed(&format!("tune --server tables --schema {name}"))).await.unwrap();
    for part in ["keys_1", "keys_2_1"] {
        let has_it = "SELECT 'autovacuum_vacuum_insert_threshold=500000' = ANY (reloptions) FROM pg_class
                      WHERE oid = to_regclass($1)";
        let row = client.query_one(has_it, &[&format!("{name}.{part}")]).await.unwrap();
        assert_eq!(row.get::<_, Option<bool>>(0), Some(true), "{part}");
    }
    log.store.append([eventstore::NewEvent::new("T", serde_json::json!({"n": 1}))]).await.unwrap();
}

#[test]
fn a_machine_has_to_be_described_and_a_version_known() {
    assert_eq!(
        printed("tune --memory 16GB --cpus 8 --disk ssd"),
        printed("tune --server primary --memory 16GB --cpus 8")
    );
    for arguments in [
        "tune",
        "tune --server primary",
        "tune --server primary --memory 16 --cpus 8",
        "tune --server primary --memory 16GB",
        "tune --memory 16GB",
        "tune --server primary --memory 100MB --cpus 1",
        "tune --server primary --memory 17TB --cpus 1",
        "doctor --memory 17TB --cpus 1",
        "tune --server replica --memory 16GB --cpus 8 --postgresql 14",
    ] {
        let output = eventstore(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments}");
    }
    let long = "x".repeat(64);
    let output = eventstore(&format!("tune --server tables --schema {long}")).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "psql would cut the name off");
}
