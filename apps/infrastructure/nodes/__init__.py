"""What the nodes of a cluster fetch from this platform."""
