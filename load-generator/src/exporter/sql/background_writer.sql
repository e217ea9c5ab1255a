-- What the background writer did since its counters began: it stops where it has written as much in a round as it may.
SELECT buffers_clean::float8 AS background_writer_buffers_total,
       maxwritten_clean::float8 AS background_writer_stops_total,
       buffers_alloc::float8 AS buffers_allocated_total
  FROM pg_stat_bgwriter
