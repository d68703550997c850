"""Writing the records that prove a name: one module for each way."""
