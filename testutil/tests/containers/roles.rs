//! Who may log in, and what a role may do before any log has given it anything.

use testutil::{Containers, Profile};

use crate::{ask, log_in, refused, start};

const ROLES: [&str; 7] = [
    "eventstore_admin",
    "eventstore_writer",
    "eventstore_importer",
    "eventstore_reader",
    "eventstore_projector",
    "eventstore_monitor",
    "load_generator",
];
const NOT_ALLOWED: &str = "42501";

async fn refusal(dsn: &str) -> String {
    let error = testutil::connect(dsn).await.expect_err(dsn);
    error.as_db_error().map_or_else(|| format!("{error:?}"), |error| error.message().to_owned())
}

#[tokio::test]
async fn each_role_logs_in_with_its_password_and_nobody_without() {
    let name = "each_role_logs_in_with_its_password_and_nobody_without";
    let Some(servers) = start(name, Profile::Default) else { return };
    for server in [servers.primary(), servers.replica()] {
        for role in ROLES {
            let session = log_in(&servers, server, role).await;
            assert_eq!(ask::<String>(&session, "SELECT session_user::text").await, role);
            let dsn = servers.dsn(server, role);
            assert!(refusal(&dsn).await.contains("password missing"), "{role}");
            let said = refusal(&format!("{dsn} password=wrong")).await;
            assert!(said.contains("password authentication failed"), "{role}: {said}");
        }
        for role in ["eventstore_owner", "eventstore_replication", "postgres"] {
            let password = servers.password(role).unwrap_or("none".to_owned());
            let said = refusal(&format!("{} password={password}", servers.dsn(server, role))).await;
            assert!(said.contains("no pg_hba.conf entry"), "{role}: {said}");
        }
        let elsewhere =
            servers.dsn(server, "eventstore_admin").replace("dbname=eventstore", "dbname=postgres");
        assert!(refusal(&elsewhere).await.contains("no pg_hba.conf entry"));
    }
    every_password_is_scram(&servers);
    // What is trusted is in a file that is not the server's any more.
    for server in [servers.primary(), servers.replica()] {
        let hba = std::fs::read_to_string(server.data().join("pg_hba.conf")).unwrap();
        assert!(!hba.contains("trust") && !hba.contains("md5"), "{hba}");
    }
}

fn every_password_is_scram(servers: &Containers) {
    let statement = "DO $$ BEGIN ASSERT (SELECT count(*) = 9 AND bool_and(rolpassword LIKE 'SCRAM-SHA-256$%')
                      FROM pg_authid WHERE rolcanlogin), 'passwords'; END $$";
    servers.run_as_superuser(servers.primary(), statement).unwrap();
}

#[tokio::test]
async fn a_role_alone_may_nothing() {
    let Some(servers) = start("a_role_alone_may_nothing", Profile::Default) else { return };
    for role in ROLES {
        let session = log_in(&servers, servers.primary(), role).await;
        let attributes = "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls
                          FROM pg_roles WHERE rolname = session_user";
        assert!(!ask::<bool>(&session, attributes).await, "{role}");
        if role == "eventstore_admin" {
            continue;
        }
        for statement in [
            "CREATE TABLE t (n int)",
            "CREATE TEMPORARY TABLE t (n int)",
            "CREATE SCHEMA log",
            "SET ROLE eventstore_owner",
            "SELECT pg_advisory_lock(1)",
            "SELECT pg_advisory_xact_lock(1, 1)",
            "SELECT pg_try_advisory_xact_lock_shared(1)",
            "SELECT pg_advisory_unlock_all()",
            "SELECT lo_create(0)",
            "SELECT lo_from_bytea(0, 'x')",
        ] {
            assert_eq!(refused(&session, statement).await, NOT_ALLOWED, "{role}: {statement}");
        }
        let may_write_wal =
            session.batch_execute("SELECT pg_logical_emit_message(true, 'x', 'x')").await.is_ok();
        assert_eq!(may_write_wal, role == "load_generator", "{role}");
        let may_checkpoint = session.batch_execute("CHECKPOINT").await.is_ok();
        assert_eq!(may_checkpoint, role == "load_generator", "{role}");
        let sees_all = "SELECT pg_has_role('pg_monitor', 'usage')";
        let is_monitor = ["eventstore_monitor", "load_generator"].contains(&role);
        assert_eq!(ask::<bool>(&session, sees_all).await, is_monitor, "{role}");
    }
}

#[tokio::test]
async fn what_the_admin_makes_is_the_owners() {
    let Some(servers) = start("what_the_admin_makes_is_the_owners", Profile::Default) else { return };
    let admin = log_in(&servers, servers.primary(), "eventstore_admin").await;
    admin.batch_execute("CREATE SCHEMA log; CREATE TABLE log.events (n int)").await.unwrap();
    let owners = "SELECT string_agg(owner::text, ' ') FROM (
                    SELECT relowner::regrole FROM pg_class WHERE oid = 'log.events'::regclass
                    UNION ALL SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'log'
                    UNION ALL SELECT datdba::regrole FROM pg_database WHERE datname = current_database()) AS t (owner)";
    let expected = "eventstore_owner eventstore_owner eventstore_owner";
    assert_eq!(ask::<String>(&admin, owners).await, expected);
    // A log's functions have the rights of its owner: with them they take its lock.
    admin.batch_execute("SELECT pg_advisory_lock(1), pg_advisory_unlock(1)").await.unwrap();
    assert_eq!(refused(&admin, "CREATE ROLE more").await, NOT_ALLOWED);
    let writer = log_in(&servers, servers.primary(), "eventstore_writer").await;
    assert_eq!(refused(&writer, "SELECT FROM log.events").await, NOT_ALLOWED);
}

#[tokio::test]
async fn the_script_of_the_roles_runs_again_and_takes_new_passwords() {
    let name = "the_script_of_the_roles_runs_again_and_takes_new_passwords";
    let Some(servers) = start(name, Profile::Default) else { return };
    let before = servers.password("eventstore_writer").unwrap();
    let file = servers.secrets().join("eventstore_writer");
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, r#"it's a "new" \one: $(id)"#).unwrap();
    servers.run_script(servers.primary(), "init/10-roles.sh").unwrap();
    let dsn = servers.dsn(servers.primary(), "eventstore_writer");
    let complete =
        |password: &str| format!("{dsn} password='{}'", password.replace('\\', r"\\").replace('\'', r"\'"));
    assert!(refusal(&complete(&before)).await.contains("password authentication failed"));
    let new = servers.password("eventstore_writer").unwrap();
    testutil::connect(&complete(&new)).await.unwrap();
    let log = std::fs::read_to_string(servers.primary().log()).unwrap();
    assert!(!log.contains(&before) && !log.contains("new"), "a password is in the log");
}

#[tokio::test]
async fn a_database_for_tests_has_its_superuser_by_tcp_with_a_password() {
    let name = "a_database_for_tests_has_its_superuser_by_tcp_with_a_password";
    let Some(servers) = start(name, Profile::Test) else { return };
    for server in [servers.primary(), servers.replica()] {
        let session = log_in(&servers, server, "postgres").await;
        assert_eq!(ask::<String>(&session, "SHOW fsync").await, "off");
        assert_eq!(ask::<String>(&session, "SHOW is_superuser").await, "on");
        assert!(refusal(&servers.dsn(server, "postgres")).await.contains("password missing"));
    }
}
