//! How long callers wait for a connection.

use std::sync::Arc;

use async_trait::async_trait;
use prometheus::Histogram;
use tokio::time::Instant;
use tokio_postgres::CancelToken;

use crate::error::Error;
use crate::pool::{Pool, PooledConnection};

/// A pool that records each wait, whatever came of it.
#[derive(Debug)]
pub(crate) struct Metered {
    pool: Arc<dyn Pool>,
    wait: Histogram,
}

impl Metered {
    pub(crate) fn new(pool: Arc<dyn Pool>, wait: Histogram) -> Self {
        Self { pool, wait }
    }
}

#[async_trait]
impl Pool for Metered {
    async fn acquire(&self, deadline: Instant) -> Result<Box<dyn PooledConnection>, Error> {
        let _observed = Wait { began: Instant::now(), wait: &self.wait };
        self.pool.acquire(deadline).await
    }

    fn server(&self) -> &str {
        self.pool.server()
    }

    fn cancel(&self, statement: CancelToken) {
        self.pool.cancel(statement);
    }

    fn renew(&self) {
        self.pool.renew();
    }

    fn close(&self) {
        self.pool.close();
    }
}

/// One wait, observed when it ends: also where the caller gave up.
struct Wait<'a> {
    began: Instant,
    wait: &'a Histogram,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.wait.observe(self.began.elapsed().as_secs_f64());
    }
}
