-- Every item has one driver: nothing to choose.
chosen AS (SELECT * FROM probes)
