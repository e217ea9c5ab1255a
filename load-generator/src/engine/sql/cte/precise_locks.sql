-- Each entry of a GIN index has its own page locks without fastupdate; with it, the list of what is not yet inserted is
-- locked as a whole.
ALTER INDEX events_payload_idx SET (fastupdate = off);
ALTER INDEX events_metadata_idx SET (fastupdate = off)
