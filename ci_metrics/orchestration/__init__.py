"""Dagster only: partitions, assets, resources, schedules, sensors, checks.

Belongs here: wiring of the cores into assets, one module per Dagster concept; what is kept beside
the index (`storage/`). Does not: decisions that could be tested without Dagster.
"""
