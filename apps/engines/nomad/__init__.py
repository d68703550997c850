"""The Nomad engine: apps as jobs of a cluster. docs/nomad.md, docs/adr/0012."""
