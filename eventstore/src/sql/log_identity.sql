-- The identity of a log that has been made.
SELECT l.id FROM {schema}.log l
