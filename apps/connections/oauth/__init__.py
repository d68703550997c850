"""Signing in at a git host instead of pasting a token: RFC 6749 with PKCE, as the hosts speak it."""
