-- Revokes the privilege $1 from the role $2. See migrations/0010/6_revoke_v1.sql.
SELECT {schema}.revoke_v1($1, $2)
