"""Pure text: parse a job log, find its steps, extract its errors, fingerprint them.

Belongs here: bytes and records in, records out, no I/O but the package's own weights. Does not:
HTTP, Dagster, categories.
"""

from ci_metrics.logs.background import Background, background_of
from ci_metrics.logs.extract import DEFAULT_BUDGET, extract
from ci_metrics.logs.fingerprint import FINGERPRINT_VERSION
from ci_metrics.logs.version import extractor_version
from ci_metrics.redaction import redact

__all__ = [
    "DEFAULT_BUDGET",
    "FINGERPRINT_VERSION",
    "Background",
    "background_of",
    "extract",
    "extractor_version",
    "redact",
]
