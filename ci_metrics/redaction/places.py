"""Where secrets stand in a line: behind a name, in an address, in a header, behind an option.

Belongs here: one line of text in, spans of secrets out; each place beside the mark by which
hyperscan finds its lines. Does not: which names and values are secret (`secret_names.py`,
`secret_values.py`), elements and sentences (`notations.py`), commands (`command_lines.py`),
issuers' own forms (`tokens.py`), keys over many lines (`private_keys.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ci_metrics.redaction.decoded_lines import Span
from ci_metrics.redaction.encoded import is_login
from ci_metrics.redaction.secret_names import STEM, NameKind, name_kind
from ci_metrics.redaction.secret_values import (
    MASK,
    is_readable,
    is_reference,
    is_secret,
    looks_chosen,
    looks_made,
    looks_random,
)

#: Characters of a value that may belong to it, and that say whether it is a secret.
MOST, JUDGED = 8_192, 400
_NAME = r"[\w\udc80-\udcff.-]"
#: A name, whatever closes it, and what assigns.
_ASSIGNED = re.compile(
    rf"(?<!{_NAME})({_NAME}++)(?:\\*+[\"'`])?+\]?+[ \t]{{0,8}}"
    r"(?:\??:[ \t]?(?:str|string|String|Optional\[str\]|Option<[&\w']+>|&str|&'static str)[ \t]?(?==))?"  # a type between
    r"(?:(?:\?|\+|:)?=(?!=|~)>?|:(?![:=]))[ \t]{0,8}(?:Some\((?![\"'\\]))?",
    re.ASCII,
)
_QUOTE = re.compile(r"(?:[bBrRuUfF]{1,2}|[@$]|[A-Z]\w{0,30}\()?(\\*)([\"'`])")
#: A value without quotes: to white space, to a separator that another item follows, to what closes.
_BARE = re.compile(
    r"""(?:
      [^\s"'`;&,\\<>()\[\]{}|]
    | [;&,|](?!\s|$|["'`\\)\]}]|[\w.%-]{1,60}+\\*["']?[ ]?[=:])
    | ["'`](?![\s,;:)\]}>]|$|\\[nrt])
    | \\(?![nrt"'\\]|$)
    | <(?!/) | \((?=[^\s"'`;,)\]}>\\])
    | [\[\]{})>](?=[^\s"'`;,)\]}>\\&<])
    )+""",
    re.VERBOSE,
)
#: What a plan puts between the value before and the value after.
_CHANGE = re.compile(r"\\*[\"']?[ \t]{1,4}(?:->|=>)[ \t]{1,4}(?=\\*[\"'])")
_ITEM = re.compile(r"(?<=[\"'])([^\"'\\\s,\[\]]{8,2000})(?=\\*[\"'])")
_REST = re.compile(r"[ \t]*(?:$|[#;,)\]}>|&\\\"'`]|//|-{1,2}\w|[\w.-]{1,60}+[\"']?[ ]?[=:])")
#: A word of a command line: in quotes or up to white space.
WORD = r"""(?:\\*"([^"]+?)\\*"|'([^']+)'|([^\s'"][^\s]*))"""
_SHELL = re.compile(WORD)


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """One kind of place."""

    name: str
    marks: tuple[str, ...]  # hyperscan's dialect, any case: without one of them in a line there is nothing
    spans: Callable[[str], Iterator[Span]]


def value_at(text: str, at: int) -> tuple[Span, bool]:
    """Where the value that begins at `at` stands, and whether it stands
    in quotes. A mask ends it.
    """
    (start, end), quoted = _whole_value(text, at)
    masked = text.find(MASK, start, end + len(MASK))
    return (start, min(end, masked) if masked >= 0 else end), quoted


def _whole_value(text: str, at: int) -> tuple[Span, bool]:
    opened = _QUOTE.match(text, at)
    if opened:
        close, start = opened.group(1) + opened.group(2), opened.end()
        end = text.find(close, start, start + MOST)
        while end >= 0:
            back = end
            while back > start and text[back - 1] == "\\":
                back -= 1
            if close[0] == "\\" or (end - back) % 2 == 0:
                return (start, back if close[0] == "\\" else end), True
            end = text.find(close, end + 1, start + MOST)
        at = start
    bare = _BARE.match(text, at, at + MOST)
    return (at, _trimmed(text, at, bare.end()) if bare else at), False


def _trimmed(text: str, start: int, end: int) -> int:
    while end > start and text[end - 1] in ".,:;" and end - start > 3:
        end -= 1
    return end


def assigned(text: str) -> Iterator[Span]:
    """Values behind names that say they are secret: ``DB_PASSWORD=…``, ``"token": "…"``,
    ``Pwd=…;``, ``X-Api-Key: …``.
    """
    run = (0, 0)  # the last value without quotes: what begins inside of it ends with it
    for found in _ASSIGNED.finditer(text):
        name, at = found.group(1), found.end()
        kind = name_kind(name)
        if (
            kind is NameKind.NOTHING
            or at >= len(text)
            or (text[at - 1] == ":" and text[found.start() - 1 : found.start()] == ":")
        ):
            continue  # `arn:…:secret:name` says where a secret is
        if run[0] <= at < run[1] and not _QUOTE.match(text, at):
            span, quoted = (at, run[1]), False
        else:
            span, quoted = value_at(text, at)
            run = run if quoted else span
        if text[at] == "[":
            yield from _of_list(text, at, kind)
        value = text[span[0] : min(span[1], span[0] + JUDGED)]
        if not value or (
            not quoted and (text[span[1] : span[1] + 1] == "(" or _is_talk(text, found, span, kind, value))
        ):
            continue
        if kind is NameKind.SECRET and name in ("pass", "pw") and (quoted or looks_chosen(value)):
            kind = NameKind.PASSWORD
        if is_secret(value, kind) or (name.lower().endswith("auth") and is_login(value)) or _is_laravel(value):
            yield span
            if changed := _CHANGE.match(text, span[1]):
                yield value_at(text, changed.end())[0]


def _of_list(text: str, at: int, kind: NameKind) -> Iterator[Span]:
    """The secrets of ``["…", "…"]``; behind a password's name, too, only what was made:
    lists there are of complaints.
    """
    for found in _ITEM.finditer(text, at, (text.find("]", at, at + MOST) + 1) or at):
        if is_secret(found.group(1), min(kind, NameKind.SECRET)):
            yield found.span(1)


def _is_laravel(value: str) -> bool:
    return value.startswith("base64:") and looks_made(value[7:])


def _is_talk(text: str, found: re.Match[str], span: Span, kind: NameKind, value: str) -> bool:
    """Whether a value without quotes is a word of a sentence or of source
    text rather than a value.
    """
    assigns = found.group()[found.end(1) - found.start() :]
    if value == found.group(1).rpartition(".")[2] or value.rstrip(";,)") == found.group(1):
        return True
    spaced = assigns[-1] in " \t"
    if spaced and value.startswith("--"):
        return True  # an option whose value is empty, and the next option
    if ":" in assigns and spaced:
        if is_readable(value) and kind is NameKind.PASSWORD and not _REST.match(text, span[1]):
            return True
        before = text[max(0, found.start() - 40) : found.start()]
        if is_readable(value) and re.search(
            r"(?:>|\udce2\udc9c[\udc93\udc94\udc97]|\udce2\udc88\udc9a|\udcc3\udc97|FAIL|PASS|[Ee]rror|[Ww]arning)\W*(?:\w+ )?$",
            before,
        ):
            return True
    elif spaced and assigns[0] in " \t" and kind is NameKind.PASSWORD:
        return is_readable(value) and bool(re.search(r"[_.;(]", value + text[span[1] : span[1] + 1]))
    return False


_ADDRESS = re.compile(
    r"(?<=://)([^\s:/@'\"<>`]{0,200}):((?:(?!://)[^\s'\"<>`]){1,400})@(?=(?!sha\d)[\w\udc80-\udcff%.-]+|\[)"
)
_USER_ONLY = re.compile(r"(?<=://)([A-Za-z0-9_~%.+=-]{20,300})(?::x-oauth-basic|:)?@(?=[\w-]+\.?[\w-])")
_PORT = re.compile(r"\d{1,5}[/?#]")
_DSN = re.compile(r"(?<![\w/.-])[\w.-]{1,60}:([^\s:@'\"/]{3,100})@(?:tcp|unix)\(")
_NO_SCHEME = re.compile(r"(?<![\w/.@:-])[\w.-]{1,60}:([^\s:@/'\"]{6,100})@(?:[\w-]+\.)+[a-z]{2,10}\b")
_USER_AND_PASSWORD = re.compile(r"[?&]u=[^&\s]{1,80}&p=([^&\s\"']{3,200})")
_SHARED_PATH = re.compile(r"/t/([A-Za-z0-9-]{20,80})/")
_PARAMETERS = (
    "code|key|sig|signature|auth|ticket|assertion|samlresponse|x-(?:amz|goog|oss|cos)-(?:signature|security-token)|hdnea|apikey|pass"
    "|sid|st|se?cret|hash|hmac|k|t"
)
_PARAMETER = re.compile(rf"[?&;](?:{_PARAMETERS})=([^\s&\"'<>#;\\|)]{{16,4096}})", re.IGNORECASE)


def addresses(text: str) -> Iterator[Span]:
    """The password of ``user:password@``, also with ``@`` or ``/`` in it; a token in the user's
    place; signatures in the query.
    """
    for found in _ADDRESS.finditer(text):
        value = found.group(2)
        if len(value) > 2 and not _PORT.match(value) and not is_reference(value) and not value.startswith("//"):
            yield found.span(2)
            if looks_random(found.group(1)):  # a key in two halves
                yield found.span(1)
    for found in _USER_ONLY.finditer(text):
        if looks_random(found.group(1)):
            yield found.span(1)
    for found in _DSN.finditer(text):
        if not is_reference(found.group(1)):
            yield found.span(1)
    for found in _USER_AND_PASSWORD.finditer(text):
        if not is_reference(found.group(1)):
            yield found.span(1)
    for found in _NO_SCHEME.finditer(text):
        if not is_reference(found.group(1)) and looks_chosen(found.group(1)):
            yield found.span(1)
    for found in _SHARED_PATH.finditer(text):
        if looks_random(found.group(1)) or ("-" in found.group(1) and looks_random(found.group(1).partition("-")[2])):
            yield found.span(1)
    for found in _PARAMETER.finditer(text):
        if MASK not in found.group(1) and looks_made(found.group(1)):
            yield found.span(1)


_AUTHORIZATION = re.compile(
    r"(?i:(?:proxy-)?\bauthorization)(?:\\*[\"'])?\]?[ \t]*(?::|=>?|,)[ \t]*\\*[\"']?(?:([A-Za-z][\w-]{1,30})[ \t]+)?([^\s\"'\\,;<>]+)"
)
#: A line of a browser's jar of cookies.
_JAR = re.compile(r"\t(?:TRUE|FALSE)\t/[^\t\n]{0,200}\t(?:TRUE|FALSE)\t\d{1,16}\t[^\t\n]{1,200}\t([^\t\s]{12,4096})")
_SCHEME = re.compile(
    r"(?i:\b(bearer|basic|apikey|splunk|ssws|geniekey|negotiate|ntlm|token)(?:[ \t]+|%20|\+)\\*[\"']?)([\w+/=.~:-]{8,4096})"
)
_SIGNED = re.compile(r"(?i:\b(?:response|signature|oauth_signature|mac|token|hmac)=)\\*[\"']?([^\s\"'\\,;<>]{8,})")
_COOKIE = re.compile(r"(?i:\b(?:set-)?cookie\\*[\"']?[ \t]*[:=][ \t]*\\*[\"']?)([^\"'\n]{1,4096})")
_CRUMB = re.compile(r"([\w.%*-]{1,80})=([^;\s,]{8,4096})")


def headers(text: str) -> Iterator[Span]:
    """Credentials of HTTP: Authorization of any scheme, what stands behind ``Bearer``, cookies."""
    for found in _AUTHORIZATION.finditer(text):
        scheme, value = (found.group(1) or "").lower(), found.group(2)
        if (
            scheme in ("digest", "oauth", "hawk", "signature", "aws4-hmac-sha256")
            and "=" in text[found.end(2) - len(value) : found.end() + 2_000]
        ):
            yield from (
                f.span(1)
                for f in _SIGNED.finditer(text, found.start(), found.end() + 2_000)
                if not is_reference(f.group(1))
            )
        elif "=" in value and scheme == "token":
            yield from (
                f.span(1)
                for f in _SIGNED.finditer(text, found.start(), found.end() + 200)
                if not is_reference(f.group(1))
            )
        elif is_reference(value) or value.lower() == "aws4-hmac-sha256":
            continue
        elif (
            scheme in ("bearer", "basic", "token", "apikey", "key", "negotiate", "ntlm")
            and len(value) >= 6
            and not value.isalpha()
        ) or (looks_made(value) and len(value) >= 12):
            yield found.span(2)
    for found in _SCHEME.finditer(text):
        scheme, value = found.group(1).lower(), found.group(2)
        if scheme == "basic":
            if is_login(value):
                yield found.span(2)
        elif len(value) >= 16 and looks_made(value):
            yield found.span(2)
    for found in _JAR.finditer(text):
        if looks_made(found.group(1)):
            yield found.span(1)
    for found in _COOKIE.finditer(text):
        for crumb in _CRUMB.finditer(text, found.start(1), found.end(1)):
            name, value = crumb.groups()
            if is_reference(value) or name.lower() in ("path", "domain", "expires", "max-age", "samesite", "priority"):
                continue
            if (len(value) >= 12 and looks_made(value)) or is_secret(value, name_kind(name)):
                yield crumb.span(2)


#: Of a long option also where it is glued to a word: a branch is named after what somebody pasted.
_OPTION = re.compile(r"(?:(?<![^\s\"'=\[,(])(?:-{1,2}|/)|(?<=\w)-{2,3})([A-Za-z][\w.-]{1,60})[ \t]+(?=[^\s-])")
_ENV = re.compile(
    r"(?:\b(?:ENV|ARG|export|setx?|[\w-]+ set|configure set|config add|add-authtoken)|(?:secret|variable)s? (?:set|add))[ \t]+"
    r"(?:-\S+[ \t]+){0,3}([\w./:@-]{2,120})(?:[ \t]+(?:--?(?:body|value|b|v))?[ \t=]*)"
)


def options(text: str) -> Iterator[Span]:
    """Words behind an option or in front of a pipe: ``--password x``, ``-u user:x``,
    ``-p'x'``, ``ENV PASSWORD x``.
    """
    for found in _OPTION.finditer(text):
        kind = name_kind("-" + found.group(1))
        if (
            kind is NameKind.NOTHING
            and found.group(1) in ("key", "k", "auth", "vkey")
            and (span := _word(text, found.end()))
        ):
            if looks_random(text[slice(*span)]):
                yield span
        elif kind >= NameKind.SECRET and (span := _word(text, found.end())):
            value = text[span[0] : span[1]]
            talk = (
                value.isalpha()
                and value.islower()
                and re.match(r"[\"']?[ \t]+[a-z]+[ \t]", text[span[1] : span[1] + 20])
            )
            if is_secret(value, kind) and not talk and not value.startswith("|"):
                yield span
    for found in _ENV.finditer(text):
        span = _word(text, found.end())
        if span and is_secret(text[slice(*span)], name_kind(found.group(1))):
            yield span


def _word(text: str, at: int) -> Span | None:
    found = _SHELL.match(text, at)
    if not found:
        return None
    start, end = found.span(found.lastindex or 0)
    if found.lastindex == 3:
        while end - start > 3 and text[end - 1] in "\"'`;,)]}\\|":
            end -= 1
    return start, end


#: Whole logs are scanned with their colour codes: between a name and its value these often stand.
_COLOUR = r"(?:\x1b\[[0-9;]{0,12}[mK]){0,2}"
_CLOSED = rf"{_COLOUR}(?:\\{{0,7}}[\"'`])?\]?{_COLOUR}[ \t]{{0,8}}"
_CREDENTIAL = r"[\w+/=.~:-]{8}"
PLACES: tuple[SecretPlace, ...] = (
    SecretPlace(
        "assigned",
        (
            rf"{STEM}[\w.\x80-\xff-]*{_CLOSED}(?::=|[:=]>?){_COLOUR}[ \t]{{0,8}}{_COLOUR}[^ \t\n\r]{{2}}",
            rf"{STEM}[\w.-]*: ?[A-Za-z&' \[\]]{{3,15}} ?= ?[\"']",
            rf"auth{_CLOSED}[:=]>?[ \t]{{0,8}}[^ \t\n\r]{{2}}",
            r"\bpass[\"']?[ ]?[=:]",
            r"\bpw[\"']?[ ]?[=:]",
        ),
        assigned,
    ),
    SecretPlace(
        "addresses",
        (
            r"://[^ \t\n/@]*:[^ \t\n]*@",
            r"://[\w~%.+=-]{20,300}:?[\w-]*@",
            r":[^ \t\n:@]{3,100}@(?:tcp|unix)\(",
            r"[a-z0-9_-]:[^ \t\n:@/'\"]{6,100}@[a-z0-9-]+\.[a-z0-9]",
            r"[?&]u=[^&\n]{1,80}&p=",
            r"conda[^\n]*/t/",
            rf"[?&;](?:{_PARAMETERS})=[^ \t\n&\"'<>#]{{16}}",
        ),
        addresses,
    ),
    SecretPlace(
        "headers",
        (
            r"authorization[\\\"'\]]{0,9}[ \t]{0,8}[:=,]",
            rf"(?:bearer|basic|apikey|splunk|ssws|geniekey|negotiate|ntlm|token)(?:[ \t]+|%20|\+)[\\\"']{{0,4}}{_CREDENTIAL}",
            r"cookie[\\\"']{0,4}[ \t]*[:=]",
            r"\t(?:TRUE|FALSE)\t/",
        ),
        headers,
    ),
    SecretPlace(
        "options",
        (
            r"-(?:v?key|k|auth)[ \t]+[\w-]{16}",
            r"-pass[ \t]+[^ \t\n-]",
            rf"[-/][\w.-]*{STEM}[\w.-]*[ \t]+[^ \t\n-]",
            rf"(?:env|arg|export|set|setx|add)[ \t]+[\w./:@-]*{STEM}[\w.-]*[ \t]+[^ \t\n]",
        ),
        options,
    ),
)
