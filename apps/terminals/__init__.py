"""Terminals in running instances: the sessions, their sockets, and who had which."""
