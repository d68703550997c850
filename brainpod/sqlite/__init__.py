"""Django's backend of SQLite, with a queue for those who write."""
