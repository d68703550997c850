"""Backups of a pod's databases: made by plan or when asked for, sealed, copied elsewhere, and proven by restoring them.

`kinds` knows how each kind of server is dumped and loaded. `sealing` makes a stream into a file that only the holder
of a key can read. `run` makes one backup, `restoring` loads one; `tend` has both done by the clock.
"""
