-- A generation goes on. See migrations/0006/5_resume_projection_v1.sql.
SELECT {schema}.resume_projection_v1($1, $2)
