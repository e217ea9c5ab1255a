//! Inline projections whose functions fail, go, or may not be called.

use std::future::IntoFuture as _;

use eventstore::ErrorKind;
use futures_util::future::join_all;

use crate::inline_projections::{assert_all_counted, counting, head, log, register};
use crate::subscriptions::{append, event};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_function_refuses_is_refused_and_its_neighbours_are_not() {
    let log = counting().await;
    let schema = log.schema.name();
    let picky = format!(
        "CREATE FUNCTION {schema}.picky(first bigint, last bigint) RETURNS void
         LANGUAGE plpgsql SET search_path = {schema}, pg_temp
         AS $$
         BEGIN
             IF EXISTS (SELECT FROM events e WHERE e.position BETWEEN first AND last AND e.payload->>'n' = '13') THEN
                 RAISE EXCEPTION '13 is not welcome';
             END IF;
         END
         $$"
    );
    log.sql().await.batch_execute(&picky).await.unwrap();
    register(&log, "picky", "picky").await.unwrap();
    let store = &log.store;
    let appends = (0..40).map(|n| async move { (n, store.append([event(n)]).await) });
    for (n, result) in join_all(appends).await {
        match result {
            Ok(_) => assert_ne!(n, 13),
            Err(error) => {
                assert_eq!((n, error.kind(), error.sqlstate()), (13, ErrorKind::Invalid, Some("P0001")));
                assert!(error.to_string().contains("13 is not welcome"), "{error}");
            }
        }
    }
    assert_eq!(head(&log).await, 39);
    // What `count` had written before `picky` refused it is gone too.
    assert_all_counted(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_is_gone_is_named_and_one_that_was_renamed_or_made_anew_is_found() {
    let log = counting().await;
    let (sql, schema) = (log.sql().await, log.schema.name());
    let run = async |statement: String| sql.batch_execute(&statement).await.unwrap();
    let function = format!("{schema}.count_types(bigint, bigint)");
    run(format!("ALTER FUNCTION {function} RENAME TO renamed")).await;
    append(&log.store, [1]).await;
    assert_all_counted(&log).await;
    let listed = log.store.inline_projections().await.unwrap();
    assert!(listed[0].is_callable && listed[0].function.contains("renamed(bigint,bigint)"), "{listed:?}");
    let made = format!("SELECT pg_get_functiondef('{schema}.renamed(bigint, bigint)'::regprocedure)");
    let made: String = sql.query_one(&made, &[]).await.unwrap().get(0);
    run(format!("DROP FUNCTION {schema}.renamed(bigint, bigint)")).await;

    let refused = log.store.append([event(2)]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
    for part in
        ["inline projection count calls", "count_types", &format!("{schema}.unregister_inline_v1('count')")]
    {
        assert!(refused.to_string().contains(part), "{part}: {refused}");
    }
    assert!(!log.store.inline_projections().await.unwrap()[0].is_callable);

    run(made.replace("renamed", "count_types")).await;
    append(&log.store, [3]).await;
    assert_all_counted(&log).await;

    // One that somebody else has put in its place is not run with the owner's rights.
    run(format!("CREATE ROLE {schema}_stranger; ALTER FUNCTION {function} OWNER TO {schema}_stranger")).await;
    let strange = log.store.append([event(4)]).await.unwrap_err();
    let taken = register(&log, "strange", "count_types").await.unwrap_err();
    run(format!("DROP OWNED BY {schema}_stranger CASCADE; DROP ROLE {schema}_stranger")).await;
    assert!(strange.to_string().contains("rights of the log's owner"), "{strange}");
    assert_eq!(taken.kind(), ErrorKind::Invalid, "{taken}");
    assert!(taken.to_string().contains("_stranger"), "{taken}");

    log.store.unregister_inline_projection("count").await.unwrap();
    append(&log.store, [5]).await;
    assert_eq!(head(&log).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_function_looks_among_temporary_tables_first() {
    let log = counting().await;
    let (sql, schema) = (log.sql().await, log.schema.name());
    let search = async |path: String| {
        let set = format!("ALTER FUNCTION {schema}.count_types(bigint, bigint) SET search_path = {path}");
        sql.batch_execute(&set).await.unwrap();
    };
    // A writer's temporary table `counted` would be taken for the real one, and its triggers run as the owner.
    for path in [schema.to_owned(), format!("pg_temp, {schema}"), "''".to_owned()] {
        search(path.clone()).await;
        let refused = log.store.append([event(1)]).await.unwrap_err();
        assert!(refused.to_string().contains("pg_temp at its end"), "{path}: {refused}");
        let again = register(&log, "other", "count_types").await.unwrap_err();
        assert!(
            again.kind() == ErrorKind::Invalid && again.to_string().contains("pg_temp"),
            "{path}: {again}"
        );
    }
    search(format!("{schema}, pg_temp")).await;
    append(&log.store, [1]).await;
    assert_all_counted(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_expects_one_event_of_a_key_refuses_no_neighbours() {
    let log = log().await;
    let (sql, schema) = (log.sql().await, log.schema.name());
    let careless = format!(
        "CREATE FUNCTION {schema}.careless(first bigint, last bigint) RETURNS void
         LANGUAGE sql SET search_path = {schema}, pg_temp
         AS $$
             INSERT INTO counted AS c (type, events)
             SELECT e.event_type, 1 FROM events e WHERE e.position BETWEEN first AND last
             ON CONFLICT (type) DO UPDATE SET events = c.events + 1
         $$"
    );
    sql.batch_execute(&careless).await.unwrap();
    register(&log, "careless", "careless").await.unwrap();
    // They wait for the log's lock, and come in one batch.
    let lock = log.hold_lock().await;
    let appends: Vec<_> =
        (0..20).map(|n| tokio::spawn(log.store.append([event(2 * n + 1)]).into_future())).collect();
    lock.is_waited_for().await;
    lock.release().await;
    for appended in join_all(appends).await {
        appended.unwrap().unwrap();
    }
    assert_all_counted(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registering_again_finds_what_was_made_anew_and_mends_a_lost_trigger() {
    let log = counting().await;
    let (sql, schema) = (log.sql().await, log.schema.name());
    let run = async |statement: String| sql.batch_execute(&statement).await.unwrap();
    let made = format!("SELECT pg_get_functiondef('{schema}.count_types(bigint, bigint)'::regprocedure)");
    let made: String = sql.query_one(&made, &[]).await.unwrap().get(0);
    // Found by its name, then by its oid: registered in between, it is known by both.
    run(format!("DROP FUNCTION {schema}.count_types(bigint, bigint); {made}")).await;
    assert_eq!(register(&log, "count", "count_types").await.unwrap(), 0);
    run(format!("ALTER FUNCTION {schema}.count_types(bigint, bigint) RENAME TO renamed")).await;
    append(&log.store, [1]).await;
    assert_all_counted(&log).await;
    assert_eq!(register(&log, "count", "renamed").await.unwrap(), 0);

    // As after a restore of data alone.
    run(format!("DROP TRIGGER call_inline ON {schema}.events")).await;
    append(&log.store, [3]).await;
    assert!(!log.store.inline_projections().await.unwrap()[0].is_callable);
    assert_eq!(
        register(&log, "count", "renamed").await.unwrap(),
        2,
        "what came meanwhile was not handed to it"
    );
    assert!(log.store.inline_projections().await.unwrap()[0].is_callable);
    run(format!("SELECT {schema}.renamed(2, 2)")).await;
    append(&log.store, [5]).await;
    assert_all_counted(&log).await;
}
