-- Whether who beat last at `beat_at`, and should each `beat_every`, has missed fewer than two beats, the second one by half the time: it
-- may be late. By the database's clock alone.
-- A beat that lies ahead was made before the clock was set back; the next one will be right, and if none comes nobody is there.
CREATE FUNCTION is_alive_v1(beat_at timestamptz, beat_every interval) RETURNS boolean
LANGUAGE sql VOLATILE
RETURN coalesce(beat_at > clock_timestamp() - 2.5 * beat_every AND beat_at < clock_timestamp() + beat_every, false);

COMMENT ON FUNCTION is_alive_v1 IS 'eventstore: whether fewer than two heartbeats were missed';
