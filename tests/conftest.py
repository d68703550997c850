"""Fixtures for everything: people (tests/people.py) and the real components of the stack (tests/stack/)."""

pytest_plugins: list[str] = [
    "tests.people",
    "tests.stack.components",
    "tests.stack.docker",
    "tests.stack.docker_engine",
    "tests.stack.s3",
]
