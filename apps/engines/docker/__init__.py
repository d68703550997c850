"""The Docker engine: every workload is a container of one daemon. docs/adr/0011-docker-engine.md says why it is so.

There is no agent between the platform and the daemon: what a caller has to know of a container stands in its labels,
and what Docker cannot remember (attempts, the engine's own words) in a small file beneath the state directory.

Who starts what again: apps run on while no process of the platform does, since the daemon holds them. What ends is
started again by `watcher`, one process of the platform, to the platform's policy (apps/engines/recovery.py); Docker's
own restart policies know neither the window nor the delay, so containers have none. What ended while no watcher
looked (the platform was down, the daemon or the machine was restarted) is started at once when one looks again.
"""
