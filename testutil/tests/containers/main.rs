//! What runs in containers: the servers, started from the very scripts and configuration files, and the files of Compose.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod compose;
mod compose_file;
mod health;
mod replica;
mod roles;

use testutil::{Containers, Profile, Server, Session};

/// None where this machine lacks a program that the scripts need, which is said.
fn start(test: &str, profile: Profile) -> Option<Containers> {
    match Containers::start(profile) {
        Ok(servers) => Some(servers),
        Err(error @ testutil::ClusterError::NoTool { .. }) => {
            testutil::skip(test, error);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

async fn log_in(servers: &Containers, server: &Server, role: &str) -> Session {
    let password = servers.password(role).unwrap();
    let dsn = format!("{} password={password}", servers.dsn(server, role));
    testutil::connect(&dsn).await.unwrap_or_else(|error| panic!("{role}: {error:?}"))
}

async fn ask<T: for<'a> tokio_postgres::types::FromSql<'a>>(session: &Session, query: &str) -> T {
    session.query_one(query, &[]).await.unwrap_or_else(|error| panic!("{query}: {error:?}")).get(0)
}

/// The SQLSTATE with which it is refused.
async fn refused(session: &Session, statement: &str) -> String {
    let error = session.batch_execute(statement).await.expect_err(statement);
    error.code().unwrap_or_else(|| panic!("{statement}: {error:?}")).code().to_owned()
}
