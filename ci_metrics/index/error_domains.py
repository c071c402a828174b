"""Code or platform: who has to act first on a failure, from its category and what it quotes. Pure.

What belongs here: the one table of it. Does not: categories (`classifier/taxonomy.toml`), people
(`history/owners.py`).

    code       the repository's own files: its developers
    platform   runners, networks, services, credentials' issuers: who runs them
    unknown    either may be
"""

from __future__ import annotations

import re
from typing import Literal

from ci_metrics.index.document_index import Body

Domain = Literal["code", "platform", "unknown"]

#: Of the ten categories; the others (a machine's limit, something too slow) may be either's.
_BY_CATEGORY: dict[str, Domain] = {
    "assertion_failure": "code",
    "compilation_error": "code",
    "runtime_error": "code",
    "dependency_error": "code",
    "configuration_error": "code",
    "flaky_test": "code",
    "network_error": "platform",
    "infrastructure_error": "platform",
}

#: Quoted words that say more than the category. Pytest's collection counts as infrastructure by
#: contract, and so do Git's conflicts; what they name are files of the repository.
_BY_QUOTE: tuple[tuple[re.Pattern[str], frozenset[str], Domain], ...] = (
    (
        re.compile(
            r"error collecting|/ \d+ errors?\b|errors? during collection|\b(?:Import|ModuleNotFound|Syntax)Error\b|CONFLICT \("
            r"|merge conflict|couldn't find remote ref|unrelated histories",
            re.IGNORECASE,
        ),
        frozenset({"infrastructure_error"}),
        "code",
    ),
    (
        re.compile(
            r"lost communication with the server|received a shutdown signal|no space left on device", re.IGNORECASE
        ),
        frozenset({"timeout", "resource_exhaustion", "runtime_error"}),
        "platform",
    ),
    (
        # A refused or missing credential: a secret that nobody set, or a service that refuses it.
        re.compile(
            r"\b40[13]\b|permission|denied|credential|secret|_token\b|: token\b|token (?:is|was|has|not|expired|invalid)"
            r"|could not read username|unauthori[sz]ed|forbidden",
            re.IGNORECASE,
        ),
        frozenset({"configuration_error"}),
        "unknown",
    ),
)


def domain_of(body: Body) -> Domain | None:
    """Of a failed job's or step's document as its log alone (or a person) has it; None where
    nothing was classified.
    """
    if "s_error_state" not in body:
        return None
    category = str(body.get("s_error_base_type") or body.get("s_error_type") or "")
    quote = str(body.get("s_error_evidence") or "")
    for words, categories, domain in _BY_QUOTE:
        if category in categories and words.search(quote):
            return domain
    return _BY_CATEGORY.get(category, "unknown")
