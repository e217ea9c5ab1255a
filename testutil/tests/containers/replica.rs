//! The replica's script: what it makes, and what it goes on from.

use std::time::Duration;

use testutil::{Containers, Profile, Session};

use crate::{ask, log_in, start};

/// Until the replica has what the primary has written: there is no signal for replay on a standby. One that can not log in never has
/// it: that is a failed test, and not one that hangs.
async fn await_replay(primary: &Session, replica: &Session) {
    let written: String = ask(primary, "SELECT pg_current_wal_insert_lsn()::text").await;
    let is_there = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'::pg_lsn");
    let replayed = async {
        while !ask::<bool>(replica, &is_there).await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), replayed).await.expect("the replica has not replayed it");
}

async fn both(servers: &Containers) -> [Session; 2] {
    let primary = log_in(servers, servers.primary(), "eventstore_admin").await;
    [primary, log_in(servers, servers.replica(), "eventstore_monitor").await]
}

/// In the table `t`, once the replica has it all.
async fn rows_of_the_replica(servers: &Containers) -> i64 {
    let [primary, replica] = both(servers).await;
    await_replay(&primary, &replica).await;
    // By the superuser's own way, as the monitor reads no tables.
    primary.batch_execute("GRANT SELECT ON t TO eventstore_monitor").await.unwrap();
    await_replay(&primary, &replica).await;
    ask(&replica, "SELECT count(*) FROM t").await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_streams_through_its_slot_and_goes_on_from_what_is_there() {
    let name = "it_streams_through_its_slot_and_goes_on_from_what_is_there";
    let Some(mut servers) = start(name, Profile::Default) else { return };
    let [primary, _] = both(&servers).await;
    primary.batch_execute("CREATE TABLE t AS SELECT 1").await.unwrap();
    assert_eq!(rows_of_the_replica(&servers).await, 1);
    let monitor = log_in(&servers, servers.primary(), "eventstore_monitor").await;
    let slot = "SELECT (slot_name, slot_type, active, wal_status, application_name, usename)::text
                FROM pg_replication_slots JOIN pg_stat_replication ON pid = active_pid";
    let expected = "(replica,physical,t,reserved,replica,eventstore_replication)";
    assert_eq!(ask::<String>(&monitor, slot).await, expected);
    let password = servers.password("eventstore_replication").unwrap();
    let settings = std::fs::read_to_string(servers.replica().data().join("postgresql.auto.conf")).unwrap();
    assert!(settings.contains("replication.pgpass") && !settings.contains(&password), "{settings}");

    let label = std::fs::metadata(servers.replica().data().join("PG_VERSION")).unwrap().modified().unwrap();
    tokio::task::block_in_place(|| servers.replica_mut().crash());
    primary.batch_execute("INSERT INTO t VALUES (2)").await.unwrap();
    tokio::task::block_in_place(|| servers.replica_mut().start()).unwrap();
    assert_eq!(rows_of_the_replica(&servers).await, 2);
    let after = std::fs::metadata(servers.replica().data().join("PG_VERSION")).unwrap().modified().unwrap();
    assert_eq!(after, label, "it was backed up anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_backup_is_begun_again() {
    let Some(mut servers) = start("an_interrupted_backup_is_begun_again", Profile::Default) else { return };
    let [primary, _] = both(&servers).await;
    primary.batch_execute("CREATE TABLE t AS SELECT 1").await.unwrap();
    tokio::task::block_in_place(|| {
        servers.replica_mut().crash();
        // As it looks in the middle: some files are where they belong, and what says that all are is not.
        let data = servers.replica().data().to_owned();
        std::fs::rename(data.join("PG_VERSION"), data.join("base/half")).unwrap();
        std::fs::rename(data.join("global"), data.join("base/global")).unwrap();
        servers.replica_mut().start().unwrap();
    });
    assert_eq!(rows_of_the_replica(&servers).await, 1);
    assert!(!servers.replica().data().join("base/half").exists());
    assert!(!servers.replica().data().join("backup").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_replica_keeps_what_it_has() {
    let Some(mut servers) = start("a_promoted_replica_keeps_what_it_has", Profile::Default) else { return };
    tokio::task::block_in_place(|| servers.primary_mut().crash());
    servers.run_as_superuser(servers.replica(), "SELECT pg_promote(true)").unwrap();
    let promoted = log_in(&servers, servers.replica(), "eventstore_admin").await;
    promoted.batch_execute("CREATE TABLE t AS SELECT 1").await.unwrap();
    tokio::task::block_in_place(|| {
        servers.primary_mut().start().unwrap();
        servers.replica_mut().crash();
        servers.replica_mut().start().unwrap();
    });
    let promoted = log_in(&servers, servers.replica(), "eventstore_admin").await;
    assert!(!ask::<bool>(&promoted, "SELECT pg_is_in_recovery()").await);
    assert_eq!(ask::<i64>(&promoted, "SELECT count(*) FROM t").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_is_taken_with_the_next_start() {
    let Some(mut servers) = start("a_new_password_is_taken_with_the_next_start", Profile::Default) else {
        return;
    };
    let [primary, _] = both(&servers).await;
    primary.batch_execute("CREATE TABLE t AS SELECT 1").await.unwrap();
    let file = servers.secrets().join("eventstore_replication");
    tokio::task::block_in_place(|| {
        servers.replica_mut().crash();
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, "a:b\\c\r\nmore\n").unwrap();
        servers.run_script(servers.primary(), "init/10-roles.sh").unwrap();
        servers.replica_mut().start().unwrap();
    });
    primary.batch_execute("INSERT INTO t VALUES (2)").await.unwrap();
    assert_eq!(rows_of_the_replica(&servers).await, 2);
}
