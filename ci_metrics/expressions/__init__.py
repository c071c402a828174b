"""Thousands of regular expressions as one engine: compiled whole or in parts, kept on this machine.

Belongs here: hyperscan's databases, whatever their expressions say. Does not: any expression
(`catalogue/`, `logs/`, `redaction/`).
"""
