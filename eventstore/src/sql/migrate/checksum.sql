-- The checksum of a migration's text, by the server: an applied migration must never change.
SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex')
