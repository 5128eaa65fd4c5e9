"""Logs, metrics, traces, and the stacks of a process on a signal.

Everything may report here; nothing here knows what it reports about.
"""
