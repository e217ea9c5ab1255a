//! One owner a log: who else could put functions into its schema, and who migrates it.

use eventstore::{ErrorKind, NewEvent};
use serde_json::json;

use crate::fixture;
use crate::guarded::{Guarded, refusal};
use crate::subscriptions::append;

/// A function that fits a call of append_v1 better than PostgreSQL's own, and tells whose rights it has.
const PLANTED: &str = "CREATE FUNCTION squatted.cardinality(integer[]) RETURNS integer LANGUAGE plpgsql AS
                       $$ BEGIN RAISE EXCEPTION 'planted, as %', current_user; END $$";

#[tokio::test(flavor = "multi_thread")]
async fn no_log_is_made_where_others_can_put_functions() {
    let guarded = Guarded::empty().await;
    let (admin, superuser) = (guarded.sql("admin").await, guarded.superuser().await);
    let (owner, projector) = (guarded.role("owner"), guarded.role("projector"));
    admin
        .batch_execute(&format!("GRANT CREATE ON DATABASE {} TO {projector}", guarded.database()))
        .await
        .unwrap();
    let squatter = guarded.sql("projector").await;
    let squat = format!("CREATE SCHEMA squatted; GRANT ALL ON SCHEMA squatted TO {owner}; {PLANTED}");
    squatter.batch_execute(&squat).await.unwrap();

    let of_admin = guarded.builder("admin").schema("squatted").connect().await.unwrap();
    let dsn = format!("{} dbname={}", guarded.primary(), guarded.database());
    let of_superuser = fixture::store().primary(dsn).schema("squatted").connect().await.unwrap();
    for store in [&of_admin, &of_superuser] {
        let error = store.migrate().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        for expected in ["squatted", projector.as_str(), "owns it", "ALTER SCHEMA", "REVOKE CREATE"] {
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    // As the error says, in the order in which somebody would find out.
    superuser.batch_execute(&format!("ALTER SCHEMA squatted OWNER TO {owner}")).await.unwrap();
    admin.batch_execute("GRANT CREATE ON SCHEMA squatted TO PUBLIC").await.unwrap();
    let error = of_admin.migrate().await.unwrap_err().to_string();
    assert!(error.contains("PUBLIC may create objects") && error.contains("has objects in it"), "{error}");
    admin.batch_execute("REVOKE CREATE ON SCHEMA squatted FROM PUBLIC").await.unwrap();
    let error = of_admin.migrate().await.unwrap_err().to_string();
    assert!(
        error.contains(&format!("{projector} has objects in it")) && !error.contains("PUBLIC"),
        "{error}"
    );
    admin.batch_execute("DROP FUNCTION squatted.cardinality(integer[])").await.unwrap();
    of_admin.migrate().await.unwrap();
    of_admin.append([NewEvent::new("T", json!({}))]).await.unwrap();

    // A log that is there: whoever was let in later stands in the way of grants.
    let reader = guarded.role("reader");
    let grant = format!("SELECT squatted.grant_v1('reader', '{reader}')");
    admin.batch_execute(&format!("GRANT CREATE ON SCHEMA squatted TO {projector}")).await.unwrap();
    assert_eq!(refusal(&admin, &grant).await, "42P15");
    admin.batch_execute(&format!("REVOKE CREATE ON SCHEMA squatted FROM {projector}")).await.unwrap();
    admin.batch_execute(&grant).await.unwrap();

    // `public` is the owner's of the database, who is the owner here, and nobody else's.
    let public = guarded.builder("admin").schema("public").connect().await.unwrap();
    public.migrate().await.unwrap();
    public.append([NewEvent::new("T", json!({}))]).await.unwrap();
    guarded.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_migrates_a_log_it_stays_its_owners() {
    let guarded = Guarded::empty().await;
    let admin = guarded.sql("admin").await;
    admin.batch_execute(&fixture::made_by_version("library", 9)).await.unwrap();
    let dsn = format!("{} dbname={}", guarded.primary(), guarded.database());
    let of_superuser = fixture::store().primary(dsn).schema("library").connect().await.unwrap();
    of_superuser.migrate().await.unwrap();
    let owners = "SELECT string_agg(DISTINCT owner::text, ' ') FROM (
                      SELECT proowner::regrole FROM pg_proc WHERE pronamespace = 'library'::regnamespace
                      UNION SELECT relowner::regrole FROM pg_class WHERE relnamespace = 'library'::regnamespace) AS o (owner)";
    let row = admin.query_one(owners, &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), guarded.role("owner"));
    let role = guarded.superuser().await.query_one("SELECT current_user::text", &[]).await.unwrap();
    assert_ne!(role.get::<_, &str>(0), guarded.role("owner"));

    let owner = guarded.store("admin").await;
    owner.grant(eventstore::Privilege::Writer, &guarded.role("writer")).await.unwrap();
    append(&guarded.store("writer").await, 0..2).await;
    guarded.end().await;
}

/// What runs somebody's function when it is looked into, or when a statement on it is planned: a view, a policy, an index. `evil` does no harm until it is told to.
const SQUATTED: &str = "
    CREATE SCHEMA {schema};
    CREATE FUNCTION {schema}.evil(integer) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN true; END';
    CREATE TABLE {schema}.made (version integer, works_with integer, id uuid);
    INSERT INTO {schema}.made VALUES (9, 1, gen_random_uuid());
    {tables};
    GRANT USAGE ON SCHEMA {schema} TO PUBLIC;
    GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO PUBLIC;
    CREATE OR REPLACE FUNCTION {schema}.evil(integer) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'planted, as %', current_user; END $$";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_squatted_schema_is_run_by_looking_for_a_log() {
    let guarded = Guarded::empty().await;
    let (admin, projector) = (guarded.sql("admin").await, guarded.role("projector"));
    let grant = format!("GRANT CREATE ON DATABASE {} TO {projector}", guarded.database());
    admin.batch_execute(&grant).await.unwrap();
    let squatter = guarded.sql("projector").await;
    for (schema, tables) in [
        (
            "view_of_migrations",
            "CREATE VIEW {schema}.migrations AS SELECT m.* FROM {schema}.made m WHERE {schema}.evil(m.version)",
        ),
        (
            "view_of_log",
            "CREATE TABLE {schema}.migrations AS SELECT * FROM {schema}.made;
             CREATE VIEW {schema}.log AS SELECT m.* FROM {schema}.made m WHERE {schema}.evil(m.version)",
        ),
        (
            "policy",
            "CREATE TABLE {schema}.log AS SELECT * FROM {schema}.made;
             CREATE TABLE {schema}.migrations AS SELECT * FROM {schema}.made;
             CREATE POLICY evil ON {schema}.migrations USING ({schema}.evil(version));
             ALTER TABLE {schema}.migrations ENABLE ROW LEVEL SECURITY",
        ),
        (
            "index",
            "CREATE TABLE {schema}.log AS SELECT * FROM {schema}.made;
             CREATE TABLE {schema}.migrations AS SELECT * FROM {schema}.made;
             CREATE INDEX ON {schema}.migrations (version) WHERE {schema}.evil(1)",
        ),
        (
            "statistics",
            "CREATE TABLE {schema}.log AS SELECT * FROM {schema}.made;
             CREATE TABLE {schema}.migrations AS SELECT * FROM {schema}.made;
             CREATE STATISTICS {schema}.evil ON ({schema}.evil(1)), version FROM {schema}.migrations",
        ),
    ] {
        let squat = SQUATTED.replace("{tables}", tables).replace("{schema}", schema);
        squatter.batch_execute(&squat).await.expect(schema);
        let dsn = format!("{} dbname={}", guarded.primary(), guarded.database());
        let of_superuser = fixture::store().primary(dsn);
        for builder in [guarded.builder("admin"), guarded.builder("reader"), of_superuser] {
            let store = builder.schema(schema).connect().await.expect(schema);
            assert!(store.migration_status().await.unwrap().iter().all(|step| step.applied_at.is_none()));
            let error = store.migrate().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            assert!(!error.to_string().contains("planted"), "{schema}: {error}");
        }
    }
    guarded.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_administers_a_database_works_on_no_log_of_somebody_elses_by_mistake() {
    let guarded = Guarded::empty().await;
    let (superuser, projector) = (guarded.superuser().await, guarded.role("projector"));
    let (writer, database) = (guarded.role("writer"), guarded.database());
    // With all that it takes to have a log of one's own here; and somebody who may be that role.
    let rights = format!(
        "GRANT CREATE ON DATABASE {database} TO {projector}; GRANT {projector} TO {writer};
         GRANT EXECUTE ON FUNCTION pg_try_advisory_xact_lock(integer, integer) TO {projector}, {writer}"
    );
    superuser.batch_execute(&rights).await.unwrap();
    let squatter = guarded.sql("projector").await;
    squatter.batch_execute(&fixture::made_by_version("theirs", 9)).await.unwrap();
    let plant = "CREATE FUNCTION theirs.evil() RETURNS trigger LANGUAGE plpgsql AS
                     $$ BEGIN RAISE EXCEPTION 'planted, as %', current_user; END $$;
                 CREATE TRIGGER evil BEFORE INSERT ON theirs.migrations FOR EACH ROW EXECUTE FUNCTION theirs.evil();
                 GRANT USAGE ON SCHEMA theirs TO PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA theirs TO PUBLIC";
    squatter.batch_execute(plant).await.unwrap();

    let dsn = format!("{} dbname={database}", guarded.primary());
    let of_superuser = fixture::store().primary(&dsn).schema("theirs").connect().await.unwrap();
    let of_admin = guarded.builder("admin").schema("theirs").connect().await.unwrap();
    let of_member = guarded.builder("writer").schema("theirs").connect().await.unwrap();
    let belongs = format!("belongs to {projector}");
    for error in [
        of_superuser.migrate().await,
        of_admin.migrate().await,
        of_member.migrate().await,
        of_superuser.grant(eventstore::Privilege::Reader, &writer).await,
        of_admin.revoke(eventstore::Privilege::Reader, &writer).await,
        of_admin.privileges().await.map(drop),
    ] {
        let error = error.unwrap_err();
        assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Invalid, Some("42501")), "{error}");
        assert!(error.to_string().contains(&belongs) && !error.to_string().contains("planted"), "{error}");
    }

    // As the error says, once it is known whose it is.
    squatter.batch_execute("DROP TRIGGER evil ON theirs.migrations").await.unwrap();
    let as_owner = fixture::store().primary(format!("{dsn} options='-c role={projector}'")).schema("theirs");
    as_owner.connect().await.unwrap().migrate().await.unwrap();
    let of_others = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'theirs'::regnamespace AND proowner <> $1::text::regrole";
    assert_eq!(superuser.query_one(of_others, &[&projector]).await.unwrap().get::<_, i64>(0), 0);
    guarded.end().await;
}
