"""The process engine: workloads as processes of this host, in bubblewrap sandboxes where the kernel allows them.

agent.py   one process: starts, restarts and stops workloads, keeps their logs, proxies their egress
keeper.py  one small process that outlives the agent: holds every descriptor a new agent needs, carries traffic
client.py  `ProcessEngine`, what the platform talks to the agent with
"""
