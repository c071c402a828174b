"""Secrets masked, once, where text leaves this package.

Belongs here: what a secret looks like. Does not: where text comes from or goes to. Line breaks are never touched.
"""

from __future__ import annotations

import re

MASK = "[REDACTED]"

#: Tokens that their issuer made recognisable.
_TOKENS = re.compile(
    r"gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{40,255}|glpat-[\w-]{20,}|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}|npm_[A-Za-z0-9]{36}|pypi-[\w-]{50,}|sk-(?:ant-|proj-)?[\w-]{20,}"
    r"|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}|AIza[0-9A-Za-z_-]{35}|dop_v1_[0-9a-f]{64}|SG\.[\w-]{20,}\.[\w-]{30,}"
)
_HINT = re.compile(
    r"gh[pousr]_|github_pat_|glpat-|AKIA|ASIA|xox|npm_|pypi-|sk-|eyJ|AIza|dop_v1|SG\.|://|uthorization|-----|[=:]"
)


def redact(text: str) -> tuple[str, int]:
    """`text` with every secret masked, and how many were masked. Line breaks stay where they are."""
    if not _HINT.search(text):
        return text, 0
    return _TOKENS.subn(MASK, text)


def redact_lines(texts: list[str]) -> tuple[list[str], int]:
    """`texts` with every secret masked, also those that run over several lines, and how many were masked."""
    out, count = [], 0
    for text in texts:
        clean, masked = redact(text)
        out.append(clean)
        count += masked
    return out, count
