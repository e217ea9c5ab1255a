-- What is parked of a process ($1), $2 at most, the last one first. Index: process_work_parked.
SELECT w.id, w.lane::text, w.name, w.key, w.attempts, w.failure, w.parked_at, w.cause
FROM {schema}.process_work AS w
WHERE w.process = $1 AND w.is_parked
ORDER BY w.parked_at DESC LIMIT $2
