"""What apps use and answer, in buckets of time: measured by one process, kept in the database, read by pages."""
