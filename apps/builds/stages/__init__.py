"""The six stages of a build: each a function from typed input to a typed result, writing lines as it goes."""
