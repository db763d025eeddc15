-- The number of PostgreSQL's tables of locks. One process works on a SQLite database, and its lock is a file.
SELECT 1;
