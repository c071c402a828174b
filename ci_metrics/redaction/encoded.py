"""Secrets in base64: what runs of its characters say once decoded.

Belongs here: decoding a run, and the forms by which runs that hold a secret are found without
decoding all of them. Does not: what is looked for inside (`finder.py` hands it in).
"""

from __future__ import annotations

import base64
import binascii
import re

from ci_metrics.redaction.tokens import TOKENS

RUN = re.compile(r"[A-Za-z0-9+/_-]{20,65536}={0,2}")
#: What stands in the secrets that people put in base64: issuers' beginnings, names,
#: keys, logins of a service.
_INSIDE_TEXT = """
Authorization authorization AUTHORIZATION Bearer extraheader webhook https:// http:// postgres mongodb redis:// amqp xapp- glrt-
ghp_ gho_ ghs_ github_pat_ glpat- xoxb- xoxp- hooks.slack.com npm_ pypi- sk-ant- sk-proj- sk_live_ dckr_pat_ hvs. AKIA
ASIA AIza ya29. GOCSPX- dop_v1_ SG. password PASSWORD Password passwd secret SECRET _TOKEN= _token Token apikey api_key
API_KEY AccountKey= private_key x-access-token: x-token-auth: oauth2: :// client-key-data "auths" -----BEGIN
"""
#: Beginnings of issuers' forms that are long enough to be told from chance.
_BEGINNINGS = [found.group() for _, form in TOKENS if (found := re.match(r"[A-Za-z][A-Za-z0-9_-]{4,}", form))]
_INSIDE = (*_INSIDE_TEXT.split(), *_BEGINNINGS, "PRIVATE KEY")


def cores() -> tuple[str, ...]:
    """What base64 makes of each of those, at each of three alignments, without the characters
    that depend on neighbours.
    """
    found = []
    for text in _INSIDE:
        for lead in range(3):
            encoded = base64.b64encode(b"\0" * lead + text.encode()).decode().rstrip("=")
            first = (0, 2, 3)[lead]
            last = len(encoded) if (lead + len(text)) % 3 == 0 else len(encoded) - 1
            core = encoded[first:last]
            if len(core) >= 4:
                found.append(core)
    return tuple(dict.fromkeys(found))


def decoded_run(run: str) -> str | None:
    """What `run` decodes to, byte by byte, when that is text; else None."""
    run = run.rstrip("=").replace("-", "+").replace("_", "/")
    run = run[: len(run) - (len(run) % 4 == 1)]
    try:
        raw = base64.b64decode(run + "=" * (-len(run) % 4))
    except (binascii.Error, ValueError):
        return None
    text = raw.decode("ascii", "surrogateescape")
    plain = sum(32 <= ord(c) < 127 or c in "\n\r\t" for c in text)
    return text if text and plain >= 0.9 * len(text) else None


def is_login(value: str) -> bool:
    """Whether `value` is base64 of ``user:password``."""
    text = decoded_run(value) if re.fullmatch(r"[A-Za-z0-9+/_-]{8,}={0,2}", value) else None
    return text is not None and ":" in text.strip(":") and text.isprintable()
