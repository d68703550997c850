"""The platform's own backup: everything that brings it up again on an empty host, but for what is on disks of pods.

`making` writes one, `restoring` makes a state directory of it, `kept` has it done by the clock.
"""
