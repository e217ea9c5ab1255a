//! The programs as containers run them: with the role that is theirs, and its password in a file, on servers that the scripts of
//! the containers have made.

#![cfg(feature = "cli")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use testutil::{ClusterError, Containers, Profile};

const COMPOSE: &str = include_str!("../../../docker-compose.yml");

fn eventstore(servers: &Containers, role: &str, password_of: &str, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eventstore"));
    command.env("EVENTSTORE_PRIMARY", servers.dsn(servers.primary(), role));
    command.env("EVENTSTORE_REPLICA", servers.dsn(servers.replica(), role));
    command.env("EVENTSTORE_PASSWORD_FILE", servers.secrets().join(password_of));
    command.env("EVENTSTORE_SCHEMA", "library").args(arguments.split(' ')).output().unwrap()
}

/// None where a program is not installed, which is told.
fn start(name: &str) -> Option<Containers> {
    match Containers::start(Profile::Default) {
        Ok(servers) => Some(servers),
        Err(error @ ClusterError::NoTool { .. }) => {
            testutil::skip(name, error);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Runs what the shell of a service runs, on these servers.
fn run_service(servers: &Containers, service: &str) -> Output {
    let compose: yaml_serde::Value = yaml_serde::from_str(COMPOSE).unwrap();
    let service = &compose["services"][service];
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tuning/tables.sql");
    let here = |text: &str| {
        let text = text.replace("$$", "$").replace("/run/secrets", servers.secrets().to_str().unwrap());
        let port = servers.primary().port();
        text.replace("host=primary", &format!("host=127.0.0.1 port={port}"))
            .replace(" /tables.sql", &format!(" {}", tables.display()))
    };
    let script = here(service["command"][2].as_str().unwrap());
    let programs = Path::new(env!("CARGO_BIN_EXE_eventstore")).parent().unwrap();
    let mut shell = servers.shell(&script, programs).unwrap();
    for (name, value) in service["environment"].as_mapping().unwrap() {
        shell.env(name.as_str().unwrap(), here(value.as_str().unwrap()));
    }
    shell.env("PGHOST", "127.0.0.1").env("PGPORT", servers.primary().port().to_string());
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn what_compose_runs_makes_a_log_that_the_doctor_is_content_with() {
    let Some(servers) = start("what_compose_runs_makes_a_log_that_the_doctor_is_content_with") else {
        return;
    };
    // Again is harmless, as at each `up`.
    for service in ["migrate", "tables", "migrate", "tables"] {
        run_service(&servers, service);
    }
    // The first line, as the programs read it.
    let secret = servers.secrets().join("eventstore_admin");
    let password = servers.password("eventstore_admin").unwrap();
    std::fs::remove_file(&secret).unwrap();
    std::fs::write(&secret, format!("{password}\r\nmore\n")).unwrap();
    run_service(&servers, "tables");
    let roles = eventstore(&servers, "eventstore_admin", "eventstore_admin", "roles list");
    let roles = String::from_utf8(roles.stdout).unwrap();
    for (role, privilege) in [
        ("load_generator", "writer"),
        ("load_generator", "importer"),
        ("eventstore_projector", "projector"),
        ("eventstore_monitor", "reader"),
    ] {
        assert!(roles.lines().any(|line| line.contains(role) && line.contains(privilege)), "{roles}");
    }
    let machine = "doctor --json --memory 4GB --cpus 4";
    let examined = eventstore(&servers, "eventstore_monitor", "eventstore_monitor", machine);
    let told: Value = serde_json::from_slice(&examined.stdout).unwrap();
    let bad: Vec<&Value> =
        told["findings"].as_array().unwrap().iter().filter(|finding| finding["severity"] != "note").collect();
    assert_eq!((examined.status.code(), bad.len()), (Some(0), 0), "{bad:#?}");
}

#[test]
fn a_log_is_made_by_the_admin_with_a_password_from_a_file_and_is_the_owners() {
    let name = "a_log_is_made_by_the_admin_with_a_password_from_a_file_and_is_the_owners";
    let Some(servers) = start(name) else { return };
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

/// Settings are for the limits that Compose sets, and an old primary can be rewound.
#[test]
fn servers_of_compose_have_settings_for_their_size_and_checksums() {
    let compose: yaml_serde::Value = yaml_serde::from_str(COMPOSE).unwrap();
    for service in ["primary", "replica"] {
        let limits = &compose["services"][service]["deploy"]["resources"]["limits"];
        let memory = limits["memory"].as_str().unwrap().replace('g', "GB");
        let size = format!("--memory {memory} --cpus {}", limits["cpus"].as_str().unwrap());
        let file = crate::tuning::file(&format!("{service}.conf"));
        assert!(file.lines().take(4).any(|line| line.contains(&size)), "{service}: {size}");
    }
    let servers = include_str!("../../../testutil/containers/server.yml");
    let servers: yaml_serde::Value = yaml_serde::from_str(servers).unwrap();
    let arguments = servers["services"]["primary"]["environment"]["POSTGRES_INITDB_ARGS"].as_str().unwrap();
    assert!(arguments.split(' ').any(|argument| argument == "--data-checksums"), "{arguments}");
}
