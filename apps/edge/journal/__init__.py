"""What was asked of each pod's routes, kept for its people to search: files of lines, a directory for each pod.

`keeper` writes, in the one process that reads the access log; `search` reads, in any; `segments` says how the files
are called and when they go. No database: a row for each request would cost more than answering it.
"""
