-- Has a projection be built anew. See migrations/0006/9_rebuild_projection_v1.sql.
SELECT {schema}.rebuild_projection_v1($1)
