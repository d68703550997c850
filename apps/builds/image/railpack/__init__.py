"""Railpack as a builder: its program plans (`railpack prepare`), its frontend makes the plan into BuildKit's steps."""
