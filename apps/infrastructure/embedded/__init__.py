"""The stack that runs without anything installed: its programs, their configuration, and what keeps them running."""
