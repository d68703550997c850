"""The image builder: a Dockerfile of the repository's, or one made from the plan, built by BuildKit."""
