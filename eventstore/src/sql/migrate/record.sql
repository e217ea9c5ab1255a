-- Notes that a migration was applied.
INSERT INTO migrations (version, name, checksum, works_with) VALUES ($1, $2, $3, $4)
