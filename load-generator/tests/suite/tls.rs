//! Servers that speak TLS and nothing else.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use testutil::Cluster;

use crate::{count, json, load_generator, said};

/// `load` is let in through TLS alone.
const RULES: &str = "\
host    replication all      127.0.0.1/32 trust
host    all         postgres 127.0.0.1/32 trust
local   all         load                  trust
hostssl all         load     127.0.0.1/32 scram-sha-256
";

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// With their sockets in a folder.
async fn start(authority: &CertifiedIssuer<'static, KeyPair>, sockets: &Path) -> Cluster {
    std::fs::set_permissions(sockets, std::fs::Permissions::from_mode(0o777)).unwrap();
    let builder = Cluster::builder().replicas(1);
    let builder = builder.setting("unix_socket_directories", format!("'{}'", sockets.display()));
    let cluster = builder.start().unwrap();
    let (primary, replica) = (cluster.primary(), &cluster.replicas()[0]);
    let sql = testutil::connect(&primary.dsn()).await.unwrap();
    sql.batch_execute("CREATE ROLE load SUPERUSER LOGIN PASSWORD 'geheim'").await.unwrap();
    let key = KeyPair::generate().unwrap();
    let names = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = names.signed_by(&key, authority).unwrap();
    for server in [primary, replica] {
        server.put("server.crt", &certificate.pem()).unwrap();
        server.put("server.key", &key.serialize_pem()).unwrap();
        server.put("pg_hba.conf", RULES).unwrap();
        let sql = testutil::connect(&server.dsn()).await.unwrap();
        sql.batch_execute("ALTER SYSTEM SET ssl = on").await.unwrap();
        sql.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    }
    testutil::replayed(&primary.dsn(), &replica.dsn()).await.unwrap();
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_goes_through_tls_where_the_command_line_says_so() {
    let (ours, other) = (authority("authority of this test"), authority("another"));
    let sockets = tempfile::tempdir().unwrap();
    let cluster = start(&ours, sockets.path()).await;
    let dsn = |port: u16| {
        format!(
            "host=localhost port={port} user=load password=geheim dbname=postgres channel_binding=require"
        )
    };
    let (primary, replica) = (dsn(cluster.primary().port()), dsn(cluster.replicas()[0].port()));
    let folder = tempfile::tempdir().unwrap();
    let (root, stranger) = (folder.path().join("root.crt"), folder.path().join("other.crt"));
    std::fs::write(&root, ours.pem()).unwrap();
    std::fs::write(&stranger, other.pem()).unwrap();
    let run = |flags: &str, roots: &Path| {
        let mut command = load_generator(flags);
        command.args(["--primary", &primary, "--replica", &replica, "--tls-roots"]).arg(roots);
        command.output().unwrap()
    };

    let flags = "run --rate 50 --duration 1s --warmup 0s --preload 200 --json - --audit";
    let report = json(&run(flags, &root));
    assert_eq!((count(&report, "scheduled"), count(&report, "errors")), (50, 0), "{report:#}");
    // The observers' own connections have come to both servers too.
    assert!(report["environment"]["postgresql"]["server_version"].is_string(), "{report:#}");
    let servers = report["servers"].as_array().unwrap();
    assert!(servers.len() == 2 && servers.iter().all(|server| server["after"].is_object()), "{servers:#?}");
    // Other processes of the run connect in the same way.
    let seats =
        "run --scenario seats --engine eventstore --seats 20 --clients 4 --processes 2 --audit --json -";
    json(&run(seats, &root));
    for engine in ["eventstore", "cte"] {
        let refused = run(&format!("run --engine {engine} --rate 50 --duration 1s --preload 200"), &stranger);
        let words = said(&refused, 1);
        assert!(words.contains("authority") || words.contains("UnknownIssuer"), "{words}");
    }
    said(&run("run --rate 50 --duration 1s", &folder.path().join("none.crt")), 2);

    // A list of hosts as the store takes it: nobody is at the first one, and the second is a socket, which has no TLS.
    let port = cluster.primary().port();
    let list = format!("host=localhost,{} port=1,{port} user=load dbname=postgres", sockets.path().display());
    let mut cte = load_generator("run --engine cte --rate 50 --duration 1s --preload 200 --json -");
    json(&cte.args(["--primary", &list, "--tls-roots"]).arg(&root).output().unwrap());

    // A password in a file is there for the other processes of the run too.
    let file = folder.path().join("password");
    std::fs::write(&file, "geheim\n").unwrap();
    let bare = primary.replace("password=geheim ", "");
    let mut command = load_generator(seats);
    command.args(["--primary", &bare, "--tls-roots"]).arg(&root);
    said(&command.output().unwrap(), 1);
    json(&command.arg("--password-file").arg(&file).output().unwrap());
}
