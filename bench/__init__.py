"""What Brainpod costs, against the limit of what it does, in the same run: `python -m bench`, see README.md."""
