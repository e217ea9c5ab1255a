-- Makes the schema of a new log.
CREATE SCHEMA {schema}
