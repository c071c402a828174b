"""Datasette over the embedded index: its metadata with canned queries (`metadata.yml`).

Belongs here: what Datasette shows. Does not: starting it (`commands/browse.py`).
"""
