-- Writers are granted EXECUTE on versioned functions by the owner of the log; nobody has it by default.
REVOKE ALL ON FUNCTION append_v1 FROM PUBLIC;
