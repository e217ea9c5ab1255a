//! What roles call by hand: arrays that PostgreSQL takes and the store never sends.

use eventstore::{ErrorKind, Filter, Start};
use tokio_postgres::Client;

use crate::guarded::{Guarded, refusal};
use crate::subscriptions::{append, log_with, next, soon};

/// The columns of an append of two events in two requests. The second one has something in every column of conditions, and the first one refuses it.
const COLUMNS: [(&str, &str); 27] = [
    ("p_request", "'{1,2}'::integer[]"),
    ("p_id", "ARRAY[gen_random_uuid(), gen_random_uuid()]"),
    ("p_type", "'{Even,Odd}'::text[]"),
    ("p_occurred_at", "ARRAY[now(), now()]"),
    ("p_payload", "ARRAY[jsonb '{\"n\": 100}', jsonb '{\"n\": 101}']"),
    ("p_metadata", "ARRAY[jsonb '{}', jsonb '{}']"),
    ("p_path_request", "'{2}'::integer[]"),
    ("p_path", "'{n}'::text[]"),
    ("p_path_top_level", "'{t}'::boolean[]"),
    ("p_after_request", "'{2}'::integer[]"),
    ("p_after_condition", "'{0}'::integer[]"),
    ("p_after", "'{1}'::bigint[]"),
    ("p_after_id", "ARRAY(SELECT id FROM events WHERE position = 1)"),
    ("p_probe_request", "'{2}'::integer[]"),
    ("p_probe_condition", "'{0}'::integer[]"),
    ("p_probe_item", "'{0}'::integer[]"),
    ("p_probe_after", "'{0}'::bigint[]"),
    ("p_probe_type", "'{Never}'::text[]"),
    ("p_probe_path", "'{NULL}'::text[]"),
    ("p_probe_value", "ARRAY[NULL]::jsonb[]"),
    ("p_probe_types", "ARRAY[NULL]::jsonb[]"),
    ("p_probe_predicate", "'{NULL}'::text[]"),
    ("p_probe_limit", "'{10}'::bigint[]"),
    ("p_pair_blocker", "'{1}'::integer[]"),
    ("p_pair_blocked", "'{2}'::integer[]"),
    ("p_pair_condition", "'{0}'::integer[]"),
    ("p_pair_item", "'{0}'::integer[]"),
];

/// Values of type `element[]`, as many as it needs, from `lower` on.
fn from(lower: i32, value: &str) -> String {
    format!(
        "(SELECT (format('[%s:%s]=%s', {lower}, {lower} - 1 + cardinality(a), a))::{} FROM (SELECT {value}) AS v(a))",
        value_type(value)
    )
}

/// The same values as an array of two dimensions.
fn nested(value: &str) -> String {
    format!("(SELECT ARRAY[a] FROM (SELECT {value}) AS v(a))")
}

fn value_type(value: &str) -> &str {
    let of_cast = value.rsplit_once("::").map(|(_, cast)| cast);
    of_cast.unwrap_or(match value {
        _ if value.contains("jsonb") => "jsonb[]",
        _ if value.contains("now()") => "timestamptz[]",
        _ => "uuid[]",
    })
}

fn append_with(changes: &[(&str, &str)]) -> String {
    let values = COLUMNS.map(|(name, value)| {
        let changed = changes.iter().find(|(changed, _)| *changed == name);
        format!("{name} => {}", changed.map_or(value, |(_, value)| value))
    });
    format!("SELECT * FROM append_v1({})", values.join(", "))
}

fn import_with(changes: &[(&str, &str)]) -> String {
    let values = COLUMNS[1..6].iter().map(|(name, value)| {
        let changed = changes.iter().find(|(changed, _)| changed == name);
        format!("{name} => {}", changed.map_or(value, |(_, value)| value))
    });
    let values: Vec<_> = values.collect();
    format!("SELECT * FROM import_v1(gen_random_uuid(), 0, 1, {})", values.join(", "))
}

/// The positions of the log, and whether each key stands where its event does.
async fn assert_whole(sql: &Client, events: i64) {
    let row = sql
        .query_one(
            "SELECT array_agg(position ORDER BY position),
                    (SELECT count(*) FROM keys),
                    (SELECT count(*) FROM (
                         SELECT made.key, e.position FROM events e, log l,
                                event_keys_v1(ARRAY[e.event_type], ARRAY[e.payload], l.index_top_level) AS made
                         INTERSECT SELECT key, position FROM keys) AS standing)
             FROM events",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, Vec<i64>>(0), (1..=events).collect::<Vec<_>>());
    assert_eq!((row.get::<_, i64>(1), row.get::<_, i64>(2)), (2 * events, 2 * events));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_arguments_of_a_call_by_hand_break_the_order_or_plant_keys() {
    let guarded = Guarded::new().await;
    let (store, owner) = (guarded.store("writer").await, guarded.sql("admin").await);
    let (writer, importer) = (guarded.sql("writer").await, guarded.sql("importer").await);
    append(&store, 0..2).await;
    writer.batch_execute(&append_with(&[])).await.unwrap();
    importer.batch_execute(&import_with(&[])).await.unwrap();
    assert_whole(&owner, 5).await;

    for (name, value) in COLUMNS {
        for odd in [from(1000, value), from(-500, value), from(0, value), nested(value), "NULL".to_owned()] {
            let changes = [(name, odd.as_str())];
            assert_eq!(refusal(&writer, &append_with(&changes)).await, "2202E", "{changes:?}");
            if COLUMNS[1..6].contains(&(name, value)) {
                let refused = if (name, odd.as_str()) == ("p_id", "NULL") { "22004" } else { "2202E" };
                assert_eq!(refusal(&importer, &import_with(&changes)).await, refused, "{changes:?}");
            }
        }
        let longer = format!("({value} || {value})");
        assert_eq!(refusal(&writer, &append_with(&[(name, &longer)])).await, "2202E", "{name}: {longer}");
        let none = format!("'{{}}'::{}", value_type(value));
        assert_eq!(refusal(&writer, &append_with(&[(name, &none)])).await, "2202E", "{name}: {none}");
    }
    // All begin elsewhere, and agree.
    let elsewhere = COLUMNS.map(|(name, value)| (name, from(1000, value)));
    let elsewhere: Vec<_> = elsewhere.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(refusal(&writer, &append_with(&elsewhere)).await, "2202E");
    assert_eq!(refusal(&importer, &import_with(&elsewhere)).await, "2202E");
    for requests in
        ["'{1,100000000}'", "'{0,1}'", "'{2,2}'", "'{1,0}'", "'{1,-1}'", "'{NULL,1}'", "'{1,NULL}'"]
    {
        assert_eq!(refusal(&writer, &append_with(&[("p_request", requests)])).await, "2202E", "{requests}");
    }
    // An id that is there makes each request be looked at.
    let known = "(SELECT array_agg(id) FROM events WHERE position <= 2)";
    let three = |column: &str| format!("({column} || ({column})[1])");
    let mut there: Vec<_> = COLUMNS[2..6].iter().map(|(name, value)| (*name, three(value))).collect();
    there.push(("p_id", format!("({known} || gen_random_uuid())")));
    there.push(("p_request", "'{1,100000000,2}'".to_owned()));
    let there: Vec<_> = there.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(refusal(&writer, &append_with(&there)).await, "2202E");

    assert_whole(&owner, 5).await;
    append(&store, 2..4).await;
    assert_whole(&owner, 7).await;
    let seen = store.query(&Filter::event_types(["Odd"])).await.unwrap();
    let numbers: Vec<_> = seen.iter().map(|event| event.payload["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 101, 3]);
    guarded.end().await;
}

#[tokio::test]
async fn an_event_that_can_not_be_read_is_named_and_readers_go_on_once_it_is_put_right() {
    let log = log_with(soon()).await;
    append(&log.store, 0..2).await;
    let owner = log.sql().await;
    owner.batch_execute(&format!("SET search_path = {}", log.schema.name())).await.unwrap();
    let too_large = "jsonb '{\"n\": 1e400}'";
    let too_deep = "(repeat('{\"a\":', 200) || '1' || repeat('}', 200))::jsonb";
    for (position, payload) in [(3, too_large), (4, too_deep)] {
        let payloads = format!("ARRAY[{payload}, jsonb '{{}}']");
        owner.batch_execute(&append_with(&[("p_payload", &payloads)])).await.unwrap();
        let mut following = log.store.subscription("s").ephemeral().start(Start::Beginning).await.unwrap();
        let refused =
            [log.store.query(&Filter::all()).await.unwrap_err(), next(&mut following).await.unwrap_err()];
        for error in refused {
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            let named = format!("the event at position {position} can not be read");
            assert!(error.to_string().contains(&named), "{error}");
        }
        let put_right = format!(
            "BEGIN; ALTER TABLE events DISABLE TRIGGER refuse_change, DISABLE TRIGGER refuse_change_of_row;
             UPDATE events SET payload = '{{\"n\": 0}}' WHERE position = {position};
             ALTER TABLE events ENABLE ALWAYS TRIGGER refuse_change, ENABLE ALWAYS TRIGGER refuse_change_of_row; COMMIT"
        );
        owner.batch_execute(&put_right).await.unwrap();
        assert_eq!(log.store.query(&Filter::all()).await.unwrap().len(), position);
    }
}
