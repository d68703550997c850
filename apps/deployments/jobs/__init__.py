"""Jobs of apps: commands run by the clock, with everything the live revision of their app has.

`follow` keeps one row for each job of what is live, with the moment it is due next. `tend`, every few seconds,
makes a run of what is due (or says that it was missed), and wakes workers for runs that wait. `run` does one.
"""
