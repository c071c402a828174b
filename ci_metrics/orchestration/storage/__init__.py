"""What is kept beside the index: hours, their states, labels, what is known of repositories.

Belongs here: one module for each kind of file, on a disk or in an object store. Does not: Dagster,
requests' meaning, when an hour is due.
"""
