"""What git hosts are told of: commit statuses and comments on pull requests, by an outbox of its own."""
