"""What people look at: the report, search and top tables, one verdict explained,
pull-request comments, alerts.

Belongs here: reading documents that the chain already wrote and showing them. Does not: a second
way to fetch or judge anything.
"""
