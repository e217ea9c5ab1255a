-- Grants the privilege $1 to the role $2. See migrations/0010/5_grant_v1.sql.
SELECT {schema}.grant_v1($1, $2)
