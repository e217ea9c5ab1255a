-- Blocks of tables and indexes that each kind of process read from the system, wrote to it and added, from PostgreSQL 16 on.
SELECT backend_type AS backend,
       coalesce(sum(reads), 0)::float8 AS io_reads_total,
       coalesce(sum(writes), 0)::float8 AS io_writes_total,
       coalesce(sum(extends), 0)::float8 AS io_extends_total
  FROM pg_stat_io
 WHERE object = 'relation'
   AND backend_type IN ('client backend', 'checkpointer', 'background writer', 'autovacuum worker', 'startup')
 GROUP BY backend_type
