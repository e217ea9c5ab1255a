//! The files of Compose: what they say of every service, and that Compose itself takes them.

use std::process::Command;

use testutil::compose_program;

use crate::compose_file::{Project, Service, repository};

fn each(mut check: impl FnMut(&str, &Service)) {
    let project = Project::read("docker-compose.yml");
    let names: Vec<&str> = project.services.keys().map(String::as_str).collect();
    for name in
        ["primary", "replica", "migrate", "tables", "load-generator", "exporter", "prometheus", "grafana"]
    {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    for name in ["test-primary", "test-replica", "bench-primary", "bench-replica"] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    for (name, service) in &project.services {
        check(name, service);
    }
}

#[test]
fn images_have_an_exact_version_or_are_built_here() {
    let is_exact = |image: &str| {
        let version = image.rsplit_once(':').map_or("", |(_, version)| version).trim_start_matches('v');
        version.split(['.', '-']).take_while(|part| part.parse::<u32>().is_ok()).count() >= 2
    };
    assert!(is_exact("postgres:17.6") && is_exact("a/b:v3.5.0") && is_exact("rust:1.95.0-bookworm"));
    assert!(!is_exact("postgres:17") && !is_exact("postgres") && !is_exact("grafana/grafana:latest"));
    each(|name, service| match service.text("image") {
        Some(image) => assert!(is_exact(&image), "{name}: {image}"),
        None => assert_eq!(service.text("build").as_deref(), Some("."), "{name}"),
    });
    let dockerfile = std::fs::read_to_string(repository().join("Dockerfile")).unwrap();
    for from in dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")) {
        assert!(is_exact(from.split(' ').next().unwrap()), "{from}");
    }
}

#[test]
fn ports_are_of_this_machine_alone_and_each_is_another() {
    let mut all = Vec::new();
    each(|name, service| {
        for port in service.list("ports") {
            let published = port.strip_prefix("127.0.0.1:").unwrap_or_else(|| panic!("{name}: {port}"));
            all.push(published.rsplit_once(':').unwrap().0.to_owned());
        }
        assert_eq!(service.text("network_mode"), None, "{name}");
    });
    assert!(all.len() >= 8, "{all:?}");
    // ${NAME:-5432}, as the example of an environment has it.
    let example = std::fs::read_to_string(repository().join(".env.example")).unwrap();
    for published in &all {
        let line = published.trim_start_matches("${").trim_end_matches('}').replace(":-", "=");
        assert!(example.lines().any(|of_example| of_example == line), "{line} is not in .env.example");
    }
    all.sort_unstable_by_key(|port| port.rsplit_once(":-").unwrap().1.to_owned());
    all.dedup_by_key(|port| port.rsplit_once(":-").unwrap().1.to_owned());
    assert!(all.len() >= 8, "a port is there twice: {all:?}");
}

#[test]
fn what_runs_on_is_looked_after_and_bounded() {
    each(|name, service| {
        for limit in ["memory", "cpus"] {
            assert!(service.at(&["deploy", "resources", "limits", limit]).is_some(), "{name}: {limit}");
        }
        assert!(service.at(&["logging", "options", "max-size"]).is_some(), "{name}");
        if service.text("restart").as_deref() == Some("no") {
            assert!(["migrate", "tables"].contains(&name), "{name}");
            return;
        }
        assert_eq!(service.text("restart").as_deref(), Some("unless-stopped"), "{name}");
        assert!(service.at(&["healthcheck", "test"]).is_some(), "{name}");
        assert!(service.text("stop_grace_period").is_some(), "{name}");
    });
}

/// `docker compose up --wait` takes an end for a failure, unless another service waits for it.
#[test]
fn what_ends_is_waited_for() {
    let project = Project::read("docker-compose.yml");
    let waits_for = |of: &Service, end: &str| {
        let condition = of.at(&["depends_on", end, "condition"]);
        condition.is_some_and(|condition| condition.as_str() == Some("service_completed_successfully"))
    };
    let mut ends = Vec::new();
    each(|name, service| {
        if service.text("restart").as_deref() == Some("no") {
            assert!(project.services.values().any(|other| waits_for(other, name)), "{name}");
            ends.push(name.to_owned());
        }
    });
    assert_eq!(ends, ["migrate", "tables"]);
    assert!(
        waits_for(&project.services["load-generator"], "tables"),
        "it would load tables without parameters"
    );
}

#[test]
fn no_service_has_a_privilege() {
    each(|name, service| {
        assert_eq!(service.list("cap_drop"), ["ALL"], "{name}");
        assert_eq!(service.list("security_opt"), ["no-new-privileges:true"], "{name}");
        for dangerous in ["privileged", "cap_add", "pid", "ipc", "devices"] {
            assert!(service.at(&[dangerous]).is_none(), "{name}: {dangerous}");
        }
    });
}

#[test]
fn what_is_mounted_is_here() {
    each(|name, service| {
        for volume in service.list("volumes") {
            let source = volume.split(':').next().unwrap();
            if source.starts_with('.') {
                assert!(service.folder.join(source).exists(), "{name}: {volume}");
                assert!(volume.ends_with(":ro"), "{name}: {volume}");
            }
        }
    });
}

/// A server reads the file that its limit of memory is for, and only the primary knows all passwords.
#[test]
fn each_service_has_the_secrets_of_its_role_alone() {
    let secrets = |of: &str| {
        let mut secrets = Vec::new();
        each(|name, service| {
            if name == of {
                secrets = service.list("secrets");
            }
        });
        secrets
    };
    assert_eq!(secrets("replica"), ["eventstore_replication"]);
    assert_eq!(secrets("migrate"), ["eventstore_admin"]);
    assert_eq!(secrets("tables"), ["eventstore_admin"]);
    assert_eq!(secrets("load-generator"), ["load_generator"]);
    assert_eq!(secrets("exporter"), ["eventstore_monitor"]);
    assert_eq!(secrets("grafana"), ["grafana_admin"]);
    assert_eq!(secrets("prometheus"), Vec::<String>::new());
    // Who logs in as somebody has that one's password, and no other way to it than the file.
    each(|name, service| {
        let passwords = service.environment();
        for (variable, value) in &passwords {
            let is_file = value.starts_with("/run/secrets/");
            assert!(is_file || !variable.to_lowercase().contains("password"), "{name}: {variable}");
            assert!(!value.contains("password="), "{name}: {variable}");
            if is_file {
                assert!(
                    secrets(name).contains(&value["/run/secrets/".len()..].to_owned()),
                    "{name}: {value}"
                );
            }
            if let Some(user) = value.split(' ').find_map(|word| word.strip_prefix("user=")) {
                assert_eq!(secrets(name), [user], "{name}");
            }
        }
    });
    let ignored = std::fs::read_to_string(repository().join(".gitignore")).unwrap();
    assert!(ignored.lines().any(|line| line == "/secrets"), "{ignored}");
    let sent = std::fs::read_to_string(repository().join(".dockerignore")).unwrap();
    assert!(sent.lines().any(|line| line == "*") && !sent.contains("secrets\n"), "{sent}");
}

#[test]
fn the_script_makes_each_secret_once() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("secrets");
    let make = || {
        let script = repository().join("testutil/containers/make-secrets.sh");
        assert!(Command::new("sh").arg(script).arg(&secrets).status().unwrap().success());
        let read = |name: &String| std::fs::read_to_string(secrets.join(name)).unwrap();
        let names: Vec<String> = Project::read("docker-compose.yml").secrets.into_keys().collect();
        names.iter().map(read).collect::<Vec<_>>()
    };
    let first = make();
    assert!(first.len() >= 10 && first.iter().all(|secret| secret.len() == 48), "{first:?}");
    let mut different = first.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), first.len(), "two are the same");
    assert_eq!(make(), first, "they are left alone");
    let mode = |path: &std::path::Path| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode(&secrets), mode(&secrets.join("postgres"))), (0o700, 0o444));
}

#[test]
fn compose_takes_the_files() {
    let name = "compose_takes_the_files";
    let compose = match compose_program() {
        Ok(compose) => compose,
        Err(error) => return testutil::skip(name, error),
    };
    for (profiles, expected) in
        [(&[][..], 8), (&["test"][..], 10), (&["bench"][..], 10), (&["test", "bench"][..], 12)]
    {
        let profiles = profiles.iter().flat_map(|profile| ["--profile", profile]);
        let mut command = Command::new(&compose);
        command.arg("--file").arg(repository().join("docker-compose.yml")).args(profiles);
        let output = command.args(["config", "--services"]).output().unwrap();
        let (said, services) =
            (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        assert!(output.status.success() && said.is_empty(), "{said}");
        assert_eq!(services.lines().count(), expected, "{services}");
    }
}
