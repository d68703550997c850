"""Domains: what is one, and what the DNS says of it."""
