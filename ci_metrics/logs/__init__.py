"""Pure text: parse a job log, find its steps, extract its errors, fingerprint and redact them.

Belongs here: bytes and records in, records out, no I/O but the package's own pattern data. Does not: HTTP, Dagster, categories.
"""
