"""Secrets masked, once, where text leaves this package.

Belongs here: what a secret looks like. Does not: which lines are looked at at all (`suspects.py`), where text comes from or goes to.

Masking is idempotent and never touches line breaks, so line numbers stay true. What is masked is the secret alone: the name in
front of it stays, because it helps to understand the failure.
"""

from __future__ import annotations

import math
import re
from collections import Counter

from ci_metrics.logs.suspects import suspects_of

MASK = "[REDACTED]"

#: Tokens that their issuers made recognisable: GitHub, GitLab, AWS, Google, Slack, npm, PyPI, Anthropic, OpenAI, Stripe, SendGrid,
#: DigitalOcean, Hugging Face, Docker, Databricks, Azure storage, JSON web tokens.
_TOKENS = (
    r"gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{30,255}|gl(?:pat|ptt|dt|cbt|rt)-[\w-]{20,}"
    r"|\b(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{16}\b|AIza[0-9A-Za-z_-]{35}|ya29\.[\w-]{20,}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-\d-[\w-]{20,}|https://hooks\.slack\.com/services/[\w/]{20,}"
    r"|npm_[A-Za-z0-9]{36}|pypi-[\w-]{40,}|\bsk-(?:ant-|proj-|svcacct-)?[\w-]{20,}|\b(?:sk|rk)_(?:live|test)_[0-9A-Za-z]{16,}"
    r"|SG\.[\w-]{16,}\.[\w-]{16,}|do[op]_v1_[0-9a-f]{64}|\bhf_[A-Za-z0-9]{30,}|dckr_pat_[\w-]{20,}|\bdapi[0-9a-f]{32}\b"
    r"|AccountKey=[A-Za-z0-9+/=]{40,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}|sq0[a-z]{3}-[\w-]{22,}|\bage-secret-key-1[0-9a-z]{50,}"
)
#: user:password@ of an address: the password.
_ADDRESS = r"(?P<scheme>[a-zA-Z][\w+.-]{1,20}://[^\s:/@'\"]{0,100}:)(?P<password>[^\s/@'\"]{1,200})(?=@)"
#: Authorization headers.
_HEADER = r"(?P<header>(?:[Pp]roxy-)?[Aa]uthorization['\"]?\s*[:=]\s*['\"]?(?:[Bb]asic|[Bb]earer|[Tt]oken|AWS4-HMAC-SHA256)?\s*)(?P<credential>[\w+/=.~-]{8,})|(?P<bearer>\b[Bb]earer\s+)(?P<token>[\w+/=.~-]{16,})"  # noqa: E501
#: Options and variables whose name says that a secret follows.
_NAMED = (
    r"(?P<name>[\w.-]{0,60}(?=[acpstACPSTſ])(?i:password|passwd|passphrase|secret|token|api[_-]?key|apikey|access[_-]?key|private[_-]?key|credential"
    r"|auth[_-]?key|client[_-]?secret|connection[_-]?string|pwd)[\w.-]{0,30}['\"]?\s{0,3}(?:=>|=|:(?!:))\s{0,3}['\"]?"
    r"|--?(?i:password|token|secret|api-key|pass)[ =]['\"]?)(?P<value>[^\s'\",;&)}\]]{6,500})"
)
_KNOWN = re.compile(_TOKENS)
_SECRET = re.compile(f"(?P<known>{_TOKENS})|{_ADDRESS}|{_HEADER}|{_NAMED}")
_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9 ]+ )?PRIVATE KEY(?: BLOCK)?-----")
_END = re.compile(r"-----END (?:[A-Z0-9 ]+ )?PRIVATE KEY(?: BLOCK)?-----")
_BASE64 = re.compile(r"^[\s\w+/=:,.-]{1,120}$")
#: Values that are names of secrets, masks or words rather than secrets.
_HARMLESS = re.compile(
    r"^(?:\*+|\[?REDACTED\]?|<[^>]*>?|\$[\w{(].*|%\w+%|\{\{.*|true|false|null|none|nil|undefined|required|missing|invalid|expired|not|is|was|the|and|empty"
    r"|unset|set|string|str|error|failed|found|provided|x+|\.+|/.*|~/.*|[\w.-]+\.(?:py|js|ts|go|rb|java|json|ya?ml|toml|txt|pem|key|env)(?::\d+)?:?|\[.*)$",
    re.IGNORECASE,
)


def redact(text: str) -> tuple[str, int]:
    """`text` (one line or more) with every secret masked, and how many were masked."""
    lines, count = redact_lines(text.split("\n"))
    return "\n".join(lines), count


def redact_lines(texts: list[str]) -> tuple[list[str], int]:
    """`texts` with every secret masked, also keys that run over several of them, and how many were masked."""
    suspects = suspects_of(texts)
    if any("-----BEGIN" in text for text in texts):
        return _keys_masked(texts, suspects)
    out = list(texts)
    count = 0
    for number in suspects:
        out[number], masked = _line_masked(texts[number])
        count += masked
    return out, count


def _line_masked(text: str) -> tuple[str, int]:
    masked = _SECRET.sub(_masked, text)
    return masked, masked.count(MASK) - text.count(MASK)


def _keys_masked(texts: list[str], suspects: set[int]) -> tuple[list[str], int]:
    """The same for texts among which a private key may begin, which ends on another line."""
    out: list[str] = []
    count = 0
    inside = False
    for number, text in enumerate(texts):
        if inside:
            end = _END.search(text)
            if end:
                inside = False
                out.append(text[end.start() :])
            elif _BASE64.match(text) or not text:
                out.append(MASK if text.strip() else text)
            else:  # the key was cut: what follows is the log again
                inside = False
                out.append(text)
            continue
        if "-----BEGIN" in text and (begin := _BEGIN.search(text)):
            count += 1
            end = _END.search(text, begin.end())
            inside = end is None
            rest = text[end.start() :] if end else ""
            out.append(text[: begin.end()] + (MASK if text[begin.end() :].strip() or end else "") + rest)
            continue
        if number in suspects:
            text, masked = _line_masked(text)
            count += masked
        out.append(text)
    return out, count


def _masked(found: re.Match[str]) -> str:
    if found.group("known"):
        return MASK
    if found.group("password") is not None:
        return found.group("scheme") + (found.group("password") if _HARMLESS.match(found.group("password")) else MASK)
    if found.group("credential") is not None:
        return found.group("header") + MASK
    if found.group("token") is not None:
        return found.group("bearer") + MASK
    value = found.group("value")
    return found.group("name") + (MASK if _secret(value, found.group("name")) else _KNOWN.sub(MASK, value))


def _secret(value: str, name: str) -> bool:
    """Whether the value behind a telling name looks like a secret and not like a word."""
    if _HARMLESS.match(value) or MASK in value:
        return False
    if re.search(r"passw|passphrase|pwd|secret", name, re.IGNORECASE) and re.search(r"[=]|--", name):
        return True
    if value.isalpha() and (value.islower() or value.isupper() or value.istitle()):
        return False
    return len(value) >= 8 and _entropy(value) >= 2.75 and bool(re.search(r"\d", value) or len(value) >= 20)


def _entropy(value: str) -> float:
    """Bits of information a character of `value` carries."""
    total = len(value)
    return -sum(n / total * math.log2(n / total) for n in Counter(value).values())
