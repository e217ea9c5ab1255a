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
