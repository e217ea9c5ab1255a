//! Who is granted what, and what nobody is.

use eventstore::{ErrorKind, Filter, NewEvent, Privilege, Start};
use serde_json::json;
use testutil::Cluster;

use crate::fixture::{self, Log};
use crate::guarded::{Guarded, LOG, refusal};
use crate::privileges::{assert_lacks_right, read_everything};
use crate::subscriptions::{LONG, append, next};

#[tokio::test]
async fn even_the_owner_does_not_change_events_by_mistake() {
    let log = Log::new().await;
    append(&log.store, 0..3).await;
    let sql = log.sql().await;
    sql.batch_execute(&format!("SET search_path = {}", log.schema.name())).await.unwrap();
    for role in ["origin", "replica", "local"] {
        sql.batch_execute(&format!("SET session_replication_role = {role}")).await.unwrap();
        for statement in [
            "UPDATE events SET metadata = '{}'",
            "UPDATE events SET metadata = '{}' WHERE false",
            "DELETE FROM events WHERE position = 3",
            "TRUNCATE events",
            "TRUNCATE keys, events CASCADE",
            "INSERT INTO events SELECT * FROM events ON CONFLICT (id) DO UPDATE SET metadata = '{}'",
            "MERGE INTO events e USING (SELECT 1 AS p) AS s ON e.position = s.p WHEN MATCHED THEN DELETE",
        ] {
            assert_eq!(refusal(&sql, statement).await, "23001", "{role}: {statement}");
        }
    }
    let error = sql.batch_execute("DELETE FROM events").await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert!(error.message().contains(log.schema.name()), "{error}");
    // As the hint says.
    let hint = error.hint().unwrap();
    let on_purpose =
        hint.split("transaction: ").nth(1).unwrap().replace("...", "DELETE FROM events WHERE position = 1");
    sql.batch_execute(&on_purpose).await.unwrap();
    assert_eq!(log.store.query(&Filter::all()).await.unwrap().len(), 2);
    assert_eq!(refusal(&sql, "DELETE FROM events").await, "23001", "it is in force again");
    append(&log.store, [3]).await;
}

#[tokio::test]
async fn nothing_of_a_log_is_for_everybody_and_lent_rights_look_nowhere_else() {
    let log = Log::new().await;
    let functions = "
        SELECT p.oid::regprocedure::text, p.prosecdef,
               coalesce((SELECT s FROM unnest(p.proconfig) AS s WHERE s LIKE 'search_path=%'), ''),
               p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) AS a WHERE a.grantee = 0)
        FROM pg_proc AS p WHERE p.pronamespace = $1::text::regnamespace";
    let rows = log.sql().await.query(functions, &[&log.schema.name()]).await.unwrap();
    let pinned = format!("search_path={}, pg_temp", log.schema.name());
    let mut definers = 0;
    for row in &rows {
        let (name, is_definer, path, is_public): (String, bool, String, bool) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        assert!(!is_public, "PUBLIC may execute {name}");
        if is_definer {
            definers += 1;
            assert_eq!(path, pinned, "{name}");
        }
    }
    assert!(definers > 30 && rows.len() > definers, "{definers} of {}", rows.len());
    let tables = "SELECT c.relname::text FROM pg_class AS c, aclexplode(c.relacl) AS a
                  WHERE c.relnamespace = $1::text::regnamespace AND a.grantee = 0";
    assert!(log.sql().await.query(tables, &[&log.schema.name()]).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn privileges_are_granted_revoked_and_told() {
    let guarded = Guarded::new().await;
    let (owner, writer) = (guarded.store("admin").await, guarded.store("writer").await);
    let (name, reader) = (guarded.role("writer"), guarded.role("reader"));
    let held = async |role: &str| -> Vec<Privilege> {
        let all = owner.privileges().await.unwrap();
        all.into_iter().filter(|holder| holder.role == role).map(|holder| holder.privilege).collect()
    };
    assert_eq!(held(&name).await, [Privilege::Writer]);
    let all = owner.privileges().await.unwrap();
    assert!(all.iter().all(|holder| !holder.may_create_schemas) && all.len() == 4, "{all:?}");

    // Many at once, of which each is granted; again does no harm.
    let granted = (0..8).map(|n| {
        let (owner, role) = (owner.clone(), if n % 2 == 0 { name.clone() } else { reader.clone() });
        tokio::spawn(async move { owner.grant(Privilege::Projector, &role).await })
    });
    for granted in granted.collect::<Vec<_>>() {
        granted.await.unwrap().unwrap();
    }
    assert_eq!(held(&name).await, [Privilege::Projector, Privilege::Writer]);
    assert_eq!(held(&reader).await, [Privilege::Projector, Privilege::Reader]);

    // What another privilege includes is kept.
    owner.revoke(Privilege::Writer, &name).await.unwrap();
    owner.revoke(Privilege::Writer, &name).await.unwrap();
    assert_eq!(held(&name).await, [Privilege::Projector]);
    assert_lacks_right(writer.append([NewEvent::new("T", json!({}))]).await, "appends");
    let mut subscription = writer.subscription("s").start(Start::Beginning).await.unwrap();
    owner.grant(Privilege::Writer, &name).await.unwrap();
    append(&writer, [1]).await;
    next(&mut subscription).await.unwrap().commit().await.unwrap();
    subscription.close().await;
    owner.revoke(Privilege::Projector, &name).await.unwrap();
    assert_lacks_right(writer.delete_subscription("s").await, "deletes a subscription");
    owner.revoke(Privilege::Writer, &name).await.unwrap();
    assert_lacks_right(writer.head().await, "reads");
    let left = guarded.sql("admin").await;
    let left = left
        .query_one(
            "SELECT count(*) FROM (SELECT relacl FROM pg_class WHERE relnamespace = $2::text::regnamespace
                    UNION ALL SELECT proacl FROM pg_proc WHERE pronamespace = $2::text::regnamespace
                    UNION ALL SELECT nspacl FROM pg_namespace WHERE nspname = $2) AS o(acl), aclexplode(o.acl) AS a
             WHERE a.grantee = $1::text::regrole",
            &[&name, &LOG],
        )
        .await
        .unwrap();
    assert_eq!(left.get::<_, i64>(0), 0, "nothing is left of it");

    for (role, why) in [
        ("nobody_at_all".to_owned(), "'nobody_at_all'"),
        ("public".to_owned(), "PUBLIC"),
        (guarded.role("owner"), "owns the log"),
        (String::new(), "no role ''"),
    ] {
        for error in
            [owner.grant(Privilege::Reader, &role).await, owner.revoke(Privilege::Reader, &role).await]
        {
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            assert!(error.to_string().contains(why), "{error}");
        }
    }
    let sql = guarded.sql("admin").await;
    assert_eq!(refusal(&sql, &format!("SELECT grant_v1('owner', '{reader}')")).await, "22023");
    // Names are taken as they are.
    let odd_name = format!("{} \"é'; --", guarded.database());
    let quoted = format!("\"{}\"", odd_name.replace('"', "\"\""));
    let superuser = guarded.superuser().await;
    superuser.batch_execute(&format!("CREATE ROLE {quoted}")).await.unwrap();
    owner.grant(Privilege::Importer, &odd_name).await.unwrap();
    assert_eq!(held(&odd_name).await, [Privilege::Importer]);
    owner.revoke(Privilege::Importer, &odd_name).await.unwrap();
    superuser.batch_execute(&format!("DROP ROLE {quoted}")).await.unwrap();
    guarded.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_migration_gives_what_it_adds_to_those_who_hold_a_privilege() {
    let guarded = Guarded::new().await;
    let sql = guarded.sql("admin").await;
    let add = format!(
        "CREATE FUNCTION append_v2() RETURNS integer LANGUAGE sql AS 'SELECT 2'; REVOKE ALL ON FUNCTION append_v2 FROM PUBLIC;
         DO $do$ BEGIN
             EXECUTE replace(pg_get_functiondef('{LOG}.privilege_objects_v1'::regproc), '''append_v1''', '''append_v1'', ''append_v2''');
             PERFORM renew_privileges_v1();
         END $do$"
    );
    sql.batch_execute(&add).await.unwrap();
    guarded.sql("writer").await.query_one("SELECT append_v2()", &[]).await.unwrap();
    for other in ["reader", "importer", "projector"] {
        assert_eq!(refusal(&guarded.sql(other).await, "SELECT append_v2()").await, "42501");
    }
    guarded.end().await;
}

/// A log as the version before made it, whose readers were granted what they need by hand.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_migrates_and_who_read_before_goes_on() {
    let guarded = Guarded::empty().await;
    let admin = guarded.sql("admin").await;
    admin.batch_execute(&fixture::made_by_version(LOG, 9)).await.unwrap();
    let (by_hand, member) = (guarded.role("writer"), guarded.role("reader"));
    let grants = format!(
        "GRANT USAGE ON SCHEMA {LOG} TO {by_hand}; GRANT SELECT ON ALL TABLES IN SCHEMA {LOG} TO {by_hand};
         GRANT EXECUTE ON FUNCTION {LOG}.append_v1 TO {by_hand}"
    );
    admin.batch_execute(&grants).await.unwrap();
    guarded.superuser().await.batch_execute(&format!("GRANT pg_read_all_data TO {member}")).await.unwrap();

    let (writer, reader) = (guarded.store("writer").await, guarded.store("reader").await);
    for store in [&writer, &reader, &guarded.builder("reader").schema("not_made").connect().await.unwrap()] {
        let error = store.migrate().await.unwrap_err();
        assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Invalid, Some("42501")), "{error}");
        assert!(error.to_string().contains("owns the log"), "{error}");
    }
    let owner = guarded.store("admin").await;
    append(&writer, 0..4).await;
    owner.migrate().await.unwrap();
    append(&writer, 4..6).await;
    guarded.replayed().await;
    read_everything(&writer, 6).await;
    read_everything(&reader, 6).await;
    assert!(owner.privileges().await.unwrap().is_empty(), "what was granted by hand is left as it is");
    owner.grant(Privilege::Writer, &by_hand).await.unwrap();
    assert_eq!(owner.privileges().await.unwrap().len(), 1);
    guarded.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_granted_by_hand_and_what_was_granted_on_are_revoked_as_told() {
    let guarded = Guarded::new().await;
    let (owner, sql) = (guarded.store("admin").await, guarded.sql("admin").await);
    let (by_hand, other) = (format!("{}_by_hand", guarded.database()), guarded.role("reader"));
    let superuser = guarded.superuser().await;
    let grants = format!(
        "CREATE ROLE {by_hand}; GRANT USAGE ON SCHEMA {LOG} TO {by_hand}; GRANT SELECT ON ALL TABLES IN SCHEMA {LOG} TO {by_hand};
         GRANT EXECUTE ON FUNCTION {LOG}.append_v1 TO {by_hand}"
    );
    superuser.batch_execute(&grants).await.unwrap();
    let may = format!(
        "SELECT has_table_privilege('{by_hand}', '{LOG}.events', 'SELECT') AND has_schema_privilege('{by_hand}', '{LOG}', 'USAGE'),
                has_function_privilege('{by_hand}', '{LOG}.append_v1'::regproc, 'EXECUTE')"
    );
    let may = async || {
        let row = sql.query_one(&may, &[]).await.unwrap();
        (row.get::<_, bool>(0), row.get::<_, bool>(1))
    };
    for not_held in [Privilege::Importer, Privilege::Projector, Privilege::Reader] {
        owner.revoke(not_held, &by_hand).await.unwrap();
        assert_eq!(may().await, (true, true), "{not_held} was not held");
    }
    owner.revoke(Privilege::Writer, &by_hand).await.unwrap();
    assert_eq!(
        may().await,
        (true, false),
        "what is a writer's alone is taken, also where it was granted by hand"
    );

    // It was let grant on, and did: that goes with it.
    owner.grant(Privilege::Writer, &by_hand).await.unwrap();
    let on = format!(
        "GRANT SELECT ON {LOG}.events TO {by_hand} WITH GRANT OPTION; GRANT USAGE ON SCHEMA {LOG} TO {by_hand} WITH GRANT OPTION;
         GRANT EXECUTE ON FUNCTION {LOG}.append_v1 TO {by_hand} WITH GRANT OPTION;
         SET ROLE {by_hand}; GRANT SELECT ON {LOG}.events TO {other}; GRANT USAGE ON SCHEMA {LOG} TO {other};
         GRANT EXECUTE ON FUNCTION {LOG}.append_v1 TO {other}"
    );
    superuser.batch_execute(&on).await.unwrap();
    owner.revoke(Privilege::Writer, &by_hand).await.unwrap();
    assert_eq!(may().await, (false, false));
    append(&guarded.store("writer").await, 0..2).await;
    guarded.replayed().await;
    let reader = guarded.store("reader").await;
    read_everything(&reader, 2).await;
    assert_lacks_right(reader.append([NewEvent::new("T", json!({}))]).await, "appends");
    superuser
        .batch_execute(&format!("RESET ROLE; DROP OWNED BY {by_hand}; DROP ROLE {by_hand}"))
        .await
        .unwrap();
    guarded.end().await;
}

/// Whoever reads less than the events, a column or another table, calls what readers call.
#[tokio::test(flavor = "multi_thread")]
async fn who_read_a_piece_of_a_log_before_goes_on() {
    let guarded = Guarded::empty().await;
    let admin = guarded.sql("admin").await;
    admin.batch_execute(&fixture::made_by_version(LOG, 9)).await.unwrap();
    let (column, table, nothing) = (guarded.role("reader"), guarded.role("writer"), guarded.role("importer"));
    let grants = format!(
        "GRANT USAGE ON SCHEMA {LOG} TO {column}, {table}, {nothing};
         GRANT SELECT (position, recorded_at) ON {LOG}.events TO {column}; GRANT SELECT ON {LOG}.subscriptions TO {table}"
    );
    admin.batch_execute(&grants).await.unwrap();
    guarded.store("admin").await.migrate().await.unwrap();
    guarded.sql("reader").await.query_one("SELECT position_before_v1(now(), 0)", &[]).await.unwrap();
    guarded.sql("writer").await.query_one("SELECT is_alive_v1(now(), interval '1s')", &[]).await.unwrap();
    assert_eq!(refusal(&guarded.sql("importer").await, "SELECT type_key_v1('T')").await, "42501");
    guarded.end().await;
}

/// A subscriber applies changes row by row, and fires no trigger of statements.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_of_logical_replication_does_not_change_events_either() {
    let builder =
        Cluster::builder().setting("wal_level", "logical").setting("wal_retrieve_retry_interval", "10ms");
    let cluster = tokio::task::spawn_blocking(|| builder.start()).await.unwrap().unwrap();
    let store = fixture::store().primary(cluster.primary().dsn()).schema(LOG).connect().await.unwrap();
    store.migrate().await.unwrap();
    let publisher = testutil::connect(&cluster.primary().dsn()).await.unwrap();
    publisher.batch_execute("CREATE DATABASE subscriber").await.unwrap();
    let dsn = format!("{} dbname=subscriber", cluster.primary().dsn());
    let copy = fixture::store().primary(&dsn).schema(LOG).connect().await.unwrap();
    copy.migrate().await.unwrap();
    let subscriber = testutil::connect(&dsn).await.unwrap();
    publisher.batch_execute(&format!("CREATE PUBLICATION p FOR TABLE {LOG}.events")).await.unwrap();
    let slot = "SELECT pg_create_logical_replication_slot('s', 'pgoutput')";
    publisher.batch_execute(slot).await.unwrap();
    let subscribe = format!(
        "CREATE SUBSCRIPTION s CONNECTION '{}' PUBLICATION p WITH (create_slot = false, copy_data = false)",
        cluster.primary().dsn()
    );
    subscriber.batch_execute(&subscribe).await.unwrap();
    append(&store, 0..3).await;
    let applied = async || loop {
        let row = subscriber.query_one(&format!("SELECT count(*) FROM {LOG}.events"), &[]).await.unwrap();
        if row.get::<_, i64>(0) == 3 {
            return;
        }
    };
    tokio::time::timeout(LONG, applied()).await.expect("inserts are applied");

    // On purpose at the publisher, as for an erasure; nobody said so at the subscriber.
    let change = format!(
        "BEGIN; ALTER TABLE {LOG}.events DISABLE TRIGGER refuse_change, DISABLE TRIGGER refuse_change_of_row;
         UPDATE {LOG}.events SET metadata = '{{\"erased\": true}}' WHERE position = 1; DELETE FROM {LOG}.events WHERE position = 2;
         ALTER TABLE {LOG}.events ENABLE ALWAYS TRIGGER refuse_change, ENABLE ALWAYS TRIGGER refuse_change_of_row; COMMIT"
    );
    publisher.batch_execute(&change).await.unwrap();
    let failed = async || loop {
        let errors = "SELECT coalesce(sum(apply_error_count), 0)::bigint FROM pg_stat_subscription_stats";
        if subscriber.query_one(errors, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            return;
        }
    };
    tokio::time::timeout(LONG, failed()).await.expect("the worker is refused");
    let unchanged = format!("SELECT count(*) FROM {LOG}.events WHERE metadata = '{{}}'");
    assert_eq!(subscriber.query_one(&unchanged, &[]).await.unwrap().get::<_, i64>(0), 3);
    subscriber
        .batch_execute(
            "ALTER SUBSCRIPTION s DISABLE; ALTER SUBSCRIPTION s SET (slot_name = NONE); DROP SUBSCRIPTION s",
        )
        .await
        .unwrap();
}

/// All that each privilege lets a role do in the schema of a log, so that none gets more unnoticed. To accept a change, copy what the test prints.
#[tokio::test(flavor = "multi_thread")]
async fn the_rights_of_each_privilege_are_the_recorded_ones() {
    let guarded = Guarded::new().await;
    let sql = guarded.superuser().await;
    let mut found = String::new();
    for privilege in Privilege::ALL {
        let role = guarded.role(privilege.as_str());
        for row in sql.query(include_str!("rights.sql"), &[&LOG, &role]).await.unwrap() {
            found += &format!("{privilege} {}\n", row.get::<_, &str>(0));
        }
    }
    let recorded = include_str!("rights.golden");
    assert!(found == recorded, "rights have changed; they are now\n{found}");
    guarded.end().await;
}
