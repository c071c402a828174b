"""A sample GitHub: a server that answers like GitHub's REST API, and recorded failures, for
newcomers, tests and benchmarks.

Belongs here: the server, its data and the program that recorded it. Does not: anything
the production path needs.
"""
