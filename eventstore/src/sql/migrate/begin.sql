-- Read committed, whatever the server's default is: what is read under the lock must be what was committed before.
BEGIN ISOLATION LEVEL READ COMMITTED
