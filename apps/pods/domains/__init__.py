"""Custom domains: who claims one, who has proven it, and what the DNS says to that. docs/domains.md has the rules."""
