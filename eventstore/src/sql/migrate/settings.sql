-- What a new log is set to.
INSERT INTO log (index_top_level) VALUES ($1)
