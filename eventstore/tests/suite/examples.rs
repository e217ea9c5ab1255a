//! The examples run, and say what their documentation says.

use std::path::PathBuf;
use std::process::Command;

use testutil::TestSchema;

/// Cargo builds the examples before the tests, beside them.
fn example(name: &str) -> Command {
    let mut folder: PathBuf = std::env::current_exe().unwrap();
    folder.pop();
    folder.pop();
    Command::new(folder.join("examples").join(name))
}

fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn quickstart() {
    let own = printed(&mut example("quickstart"));
    assert!(own.contains("lent the-hobbit-1 to ada at position 2"), "{own}");

    let servers = TestSchema::new();
    let client = testutil::connect(servers.primary()).await.unwrap();
    let database = format!("{}_quickstart", servers.name());
    client.batch_execute(&format!("CREATE DATABASE {database}")).await.unwrap();
    let dsn = servers.primary().replace("dbname=postgres", &format!("dbname={database}"));
    let first = printed(example("quickstart").arg(&dsn));
    assert!(first.contains("lent the-hobbit-1 to ada at position 2"), "{first}");
    let second = printed(example("quickstart").arg(&dsn));
    assert!(second.contains("the-hobbit-1 is lent already"), "{second}");
    client.batch_execute(&format!("DROP DATABASE {database} WITH (FORCE)")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn decide() {
    let said = printed(&mut example("decide"));
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "ada has a seat, at position 1",
            "bob has a seat, at position 2",
            "ada had a seat already",
            "eve has a seat, at position 3",
            "kim came too late"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn replica() {
    let said = printed(&mut example("replica"));
    assert!(said.contains("strong: 2 events, complete up to position 2"), "{said}");
    assert!(
        said.contains("at least 2: 2 events") && said.contains("a balance of 50, from 2 events"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn typed() {
    let said = printed(&mut example("typed"));
    assert!(said.contains("lent to ada for 14 days") && said.contains("lent to bob for 7 days"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs() {
    let said = printed(&mut example("logs"));
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "order 1 of AT is at position 1",
            "order 1 of CH is at position 1",
            "order 2 of AT is at position 2",
            "in the other log its token is history diverged",
            "and its text invalid"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribe() {
    let said = printed(&mut example("subscribe"));
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "position 1: ada has 1 overdue",
            "position 2: bob has 1 overdue",
            "position 3: ada has 2 overdue",
            "closed",
            "position 4: bob has 2 overdue",
            "nothing newer than position 4",
            "5 events now, up to position 5"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn group() {
    let said = printed(&mut example("group"));
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "position 1, attempt 1: mailed",
            "position 2, attempt 1: the mail server is down",
            "position 2, attempt 2: the mail server is down",
            "position 2, attempt 3: mailed",
            "position 3, attempt 1: the letter can not be printed",
            "position 3, attempt 2: the letter can not be printed",
            "position 3, attempt 3: the letter can not be printed",
            "position 5, attempt 1: mailed",
            "parked at position 3 after 3 attempts: the letter can not be printed; 1 waits behind it",
            "dropped 1",
            "position 4, attempt 1: mailed"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn projection() {
    let said = printed(&mut example("projection"));
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "ada has 1",
            "bob has 1",
            "eve has 1",
            "version 1 has ended: true",
            "bob has 2, since a known day: true"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn process_manager() {
    let said = printed(&mut example("process_manager"));
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "parcel 1 is on its way",
            "parcel 1 has come",
            r#"book 1: Mail {"to":"ada"}, attempt 2"#,
            "parcel 2 is on its way",
            "parcel 2 has come",
            "the reminder of book 2 was cancelled",
            "parcel 3 is on its way",
            "parcel 3 has come",
            r#"book 3: Call {"to":"eve","why":"eve has moved"}, attempt 1"#
        ]
    );
}
