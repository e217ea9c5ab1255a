-- Makes a schema that is named like a role, in which PostgreSQL looks before any other but its own, with functions and operators that fit the calls of the
-- store better than PostgreSQL's. Each tells whose rights it has, and ends the statement. {schema} is the role.
CREATE SCHEMA {schema};
GRANT USAGE ON SCHEMA {schema} TO PUBLIC;

DO $do$
DECLARE
    planted text;
BEGIN
    FOREACH planted IN ARRAY ARRAY[
        'unnest(text[]) RETURNS SETOF text', 'unnest(bigint[]) RETURNS SETOF bigint', 'unnest(integer[]) RETURNS SETOF integer',
        'unnest(boolean[]) RETURNS SETOF boolean', 'unnest(jsonb[]) RETURNS SETOF jsonb',
        'cardinality(text[]) RETURNS integer', 'cardinality(bigint[]) RETURNS integer', 'cardinality(integer[]) RETURNS integer',
        'array_agg(uuid) RETURNS uuid[]', 'jsonb_agg(uuid) RETURNS jsonb', 'to_jsonb(pg_replication_slots) RETURNS jsonb',
        'hashtextextended(text, integer) RETURNS bigint', 'pg_column_size(jsonb) RETURNS integer',
        'pg_column_compression(jsonb) RETURNS text', 'jsonb_path_match(jsonb, jsonpath, text, boolean) RETURNS boolean',
        'has_database_privilege(text, name, text) RETURNS boolean', 'pg_total_relation_size(oid) RETURNS bigint',
        'pg_partition_tree(oid) RETURNS TABLE (relid regclass)', 'concat_ws(text, text, text) RETURNS text',
        'obj_description(oid, text) RETURNS text', 'pg_wal_lsn_diff(pg_lsn, text) RETURNS numeric',
        'is_at_least(numeric, integer) RETURNS boolean', 'divided(bigint, float8) RETURNS float8', 'is_same(float8, integer) RETURNS boolean']
    LOOP
        EXECUTE format($$CREATE FUNCTION {schema}.%s LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''planted, as %%'', current_user; END'$$,
                       planted);
    END LOOP;
END
$do$;

CREATE OPERATOR {schema}.>= (LEFTARG = numeric, RIGHTARG = integer, FUNCTION = {schema}.is_at_least);
CREATE OPERATOR {schema}./ (LEFTARG = bigint, RIGHTARG = float8, FUNCTION = {schema}.divided);
CREATE OPERATOR {schema}.= (LEFTARG = float8, RIGHTARG = integer, FUNCTION = {schema}.is_same);
