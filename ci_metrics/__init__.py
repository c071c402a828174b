"""ci_metrics: why does our CI fail, and what does that cost us?

What belongs here: the version, nothing else. Importing this package (or any module
of it) has no side effect.
"""

__version__ = "0.1.0"
