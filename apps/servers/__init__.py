"""The database servers that pods have: what each is started with, on any engine."""
