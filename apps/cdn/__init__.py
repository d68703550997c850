"""The network in front of a pod that keeps its answers: told to forget them when something else goes live."""
