-- Where the last checkpoint that was completed is in the WAL, and since when the server runs: which tells two servers apart.
SELECT checkpoint_lsn::text               AS lsn,
       pg_postmaster_start_time()::text  AS server
  FROM pg_control_checkpoint()
