//! The programs as containers run them: with the role that is theirs, and its password in a file, on servers that the scripts of
//! the containers have made.

#![cfg(feature = "cli")]

use std::process::{Command, Output};

use testutil::{ClusterError, Containers, Profile};

fn eventstore(servers: &Containers, role: &str, password_of: &str, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eventstore"));
    command.env("EVENTSTORE_PRIMARY", servers.dsn(servers.primary(), role));
    command.env("EVENTSTORE_REPLICA", servers.dsn(servers.replica(), role));
    command.env("EVENTSTORE_PASSWORD_FILE", servers.secrets().join(password_of));
    command.env("EVENTSTORE_SCHEMA", "library").args(arguments.split(' ')).output().unwrap()
}

#[test]
fn a_log_is_made_by_the_admin_with_a_password_from_a_file_and_is_the_owners() {
    let name = "a_log_is_made_by_the_admin_with_a_password_from_a_file_and_is_the_owners";
    let servers = match Containers::start(Profile::Default) {
        Ok(servers) => servers,
        Err(error @ ClusterError::NoTool { .. }) => return testutil::skip(name, error),
        Err(error) => panic!("{error}"),
    };
    let up = "migrate up --index BookID";
    let refused = eventstore(&servers, "eventstore_admin", "eventstore_reader", up);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("password authentication failed"), "{said}");
    let not_allowed = eventstore(&servers, "eventstore_writer", "eventstore_writer", up);
    let said = String::from_utf8(not_allowed.stderr).unwrap();
    assert!(!not_allowed.status.success() && said.contains("permission denied"), "{said}");

    let made = eventstore(&servers, "eventstore_admin", "eventstore_admin", up);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let head = eventstore(&servers, "eventstore_admin", "eventstore_admin", "head");
    assert_eq!(String::from_utf8(head.stdout).unwrap(), "0\n");
    let is_the_owners = "DO $$ BEGIN
        ASSERT (SELECT count(*) > 5 AND bool_and(tableowner = 'eventstore_owner')
                FROM pg_tables WHERE schemaname = 'library'), 'tables';
        ASSERT (SELECT count(*) > 5 AND bool_and(proowner = 'eventstore_owner'::regrole)
                FROM pg_proc WHERE pronamespace = 'library'::regnamespace), 'functions';
    END $$";
    servers.run_as_superuser(servers.primary(), is_the_owners).unwrap();
}
