"""The assets, one module each, in the order of the chain.

Belongs here: one asset per module, range-safe, one hour committed at a time. Does not: resources, schedules, checks.
"""
