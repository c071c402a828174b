"""Secrets masked, once, before anything is cut, chosen, stored or sent.

Belongs here: what a secret looks like and where it stands; text or bytes in, the same with secrets
masked out; pure. Does not: where texts come from or go to.

Masking never touches a line break, so line numbers stay true; masking twice changes nothing; the
name in front of a secret stays, because it helps to understand the failure.
"""

from ci_metrics.redaction.finder import Care
from ci_metrics.redaction.masker import Masker, redact, redact_lines
from ci_metrics.redaction.secret_values import MASK

__all__ = ["MASK", "Care", "Masker", "redact", "redact_lines"]
