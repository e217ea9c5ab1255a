//! An orchestrator as it is written first: a query for each part of each task, and one task after the other.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::{Client, Statement};

use crate::connection;
use crate::deliver::dispatch::tasks::work;
use crate::deliver::dispatch::{DispatchPlan, Measured};
use crate::deliver::of_server;
use crate::error::RunError;

const TABLES: &str = "
    DROP SCHEMA IF EXISTS deliver_orchestrator CASCADE;
    CREATE SCHEMA deliver_orchestrator;
    SET search_path = deliver_orchestrator;
    CREATE TABLE workflows (id bigint PRIMARY KEY, executor text NOT NULL, command text NOT NULL);
    CREATE TABLE runs (id bigint PRIMARY KEY, workflow bigint NOT NULL, requested_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE tasks (id bigint PRIMARY KEY, run bigint NOT NULL, status text NOT NULL, execution text);
    CREATE INDEX ON tasks (status);
    INSERT INTO workflows SELECT n, 'local', repeat('x', 200) FROM generate_series(0, 6) AS n;";

/// One connection, with the statements of an orchestrator prepared.
pub(super) struct Orchestrator {
    client: Client,
    items: i64,
    by_status: Statement,
    run: Statement,
    workflow: Statement,
    claim: Statement,
    update: Statement,
}

impl Orchestrator {
    pub(super) async fn new(primary: &str, items: u64) -> Result<Self, RunError> {
        let client = connection::connect(primary).await.map_err(of_server)?;
        client.batch_execute(TABLES).await.map_err(of_server)?;
        let prepare = async |sql| client.prepare(sql).await.map_err(of_server);
        let by_status = prepare("SELECT id, run, execution FROM tasks WHERE status = $1 ORDER BY id").await?;
        let run = prepare("SELECT workflow, requested_at FROM runs WHERE id = $1").await?;
        let workflow = prepare("SELECT executor, command FROM workflows WHERE id = $1").await?;
        let claim =
            prepare("UPDATE tasks SET status = 'dispatched' WHERE id = $1 AND status = 'pending'").await?;
        let update = prepare("UPDATE tasks SET status = $2, execution = $3 WHERE id = $1").await?;
        Ok(Self { items: items.cast_signed(), by_status, run, workflow, claim, update, client })
    }

    /// Has so many tasks wait.
    pub(super) async fn fill(&self) -> Result<(), RunError> {
        let last = self.items - 1;
        let fill = format!(
            "TRUNCATE runs, tasks;
             INSERT INTO runs (id, workflow) SELECT n, n % 7 FROM generate_series(0, {last} / 10) AS n;
             INSERT INTO tasks SELECT n, n / 10, 'pending' FROM generate_series(0, {last}) AS n;
             ANALYZE runs, tasks;"
        );
        self.client.batch_execute(&fill).await.map_err(of_server)
    }

    /// Fetches, carries out, fetches again, asks after.
    pub(super) async fn cycle(&self, plan: &DispatchPlan) -> Result<Measured, RunError> {
        let began = Instant::now();
        let pending = self.fetch("pending").await?;
        let fetched = Instant::now();
        for id in pending {
            work(plan.handler).await;
            self.write(id, "running").await?;
        }
        let dispatched = Instant::now();
        for id in self.fetch("running").await? {
            work(plan.check).await;
            self.write(id, "done").await?;
        }
        let (fetch, dispatch) = (fetched - began, dispatched - fetched);
        let fetches = [fetch, Duration::ZERO, Duration::ZERO];
        Ok(Measured { fetches, dispatch, status: dispatched.elapsed(), cycle: began.elapsed() })
    }

    /// Fetches, and no more.
    pub(super) async fn fetch_only(&self) -> Result<Duration, RunError> {
        let began = Instant::now();
        self.fetch("pending").await?;
        Ok(began.elapsed())
    }

    /// Fetches, and claims each task so that another orchestrator does not carry it out, too. Claims are flushed or not; ours are not.
    pub(super) async fn fetch_claiming(&self, flushes: bool) -> Result<Duration, RunError> {
        let set = format!("SET synchronous_commit = {flushes}");
        self.client.batch_execute(&set).await.map_err(of_server)?;
        let began = Instant::now();
        for id in self.fetch("pending").await? {
            self.client.execute(&self.claim, &[&id]).await.map_err(of_server)?;
        }
        let took = began.elapsed();
        self.client.batch_execute("RESET synchronous_commit").await.map_err(of_server)?;
        Ok(took)
    }

    /// The tasks of a status, with the run of each and the workflow of that.
    async fn fetch(&self, status: &str) -> Result<Vec<i64>, RunError> {
        let tasks = self.client.query(&self.by_status, &[&status]).await.map_err(of_server)?;
        let mut ids = Vec::new();
        for task in &tasks {
            let run: i64 = task.get(1);
            let run = self.client.query_one(&self.run, &[&run]).await.map_err(of_server)?;
            let workflow: i64 = run.get(0);
            self.client.query_one(&self.workflow, &[&workflow]).await.map_err(of_server)?;
            ids.push(task.get(0));
        }
        Ok(ids)
    }

    async fn write(&self, id: i64, status: &str) -> Result<(), RunError> {
        let execution = format!("execution-{id}");
        self.client.execute(&self.update, &[&id, &status, &execution]).await.map_err(of_server)?;
        Ok(())
    }
}
