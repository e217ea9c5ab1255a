-- Goes on as the owner of the log, until the end of the transaction: what a migration makes is his, whoever runs it. Refused (42501) where this role
-- can not become the owner.
SELECT pg_catalog.set_config('role', $1, true) WHERE current_user <> $1
