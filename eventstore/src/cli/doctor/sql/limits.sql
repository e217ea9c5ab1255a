-- Until the end of the transaction: a look that has to wait is given up before whoever looks is.
SELECT set_config('lock_timeout', '1s', true), set_config('statement_timeout', '10s', true)
