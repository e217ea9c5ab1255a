//! Throwaway PostgreSQL clusters for tests and demonstrations.
//!
//! A [`Cluster`] is a primary and any number of streaming replicas, from whatever server is installed, on free
//! ports of 127.0.0.1, as an unprivileged user. It ends with the value that owns it, and also when the process
//! panics, is interrupted or killed: a small supervisor process watches the owner, as Rust drops no statics.
//!
//! Most tests share one cluster and have a schema of their own in it ([`TestSchema`]). Tests that pause, kill or
//! fill a server start a cluster of their own.
//!
//! ```no_run
//! let cluster = testutil::Cluster::builder().replicas(1).start()?;
//! println!("{}", cluster.primary().dsn());
//! # Ok::<(), testutil::ClusterError>(())
//! ```

mod binaries;
mod browser;
pub mod checker;
mod cluster;
mod configuration;
mod containers;
mod error;
mod folder;
mod forgetful_disk;
mod mount;
mod owner;
mod patroni;
mod pgbouncer;
mod prometheus;
mod promotion;
pub mod proxy;
mod replication;
mod server;
mod shared;
mod skip;
mod small_disk;
mod supervisor;
mod tools;

pub use browser::Browser;
pub use cluster::{Cluster, ClusterBuilder};
pub use containers::{Containers, Profile};
pub use error::ClusterError;
pub use forgetful_disk::{ForgetfulDisk, Forgotten};
pub use nix::sys::signal::Signal;
pub use patroni::Patroni;
pub use pgbouncer::{PgBouncer, PoolMode};
pub use prometheus::{Prometheus, promtool};
pub use replication::{
    await_replay, connect, cut_off, follow, promote, replayed, takes_writes, whichever_takes_writes,
};
pub use server::Server;
pub use shared::{TestSchema, TestServers, servers};
pub use skip::skip;
pub use small_disk::SmallDisk;
/// A plain connection, as [`connect`] opens it.
pub use tokio_postgres::Client as Session;
pub use tools::compose_program;
