"""Whether a value is a secret, given what the name in front of it says.

Belongs here: one value, judged by its own characters. Does not: the name (`secret_names.py`), where
both stand (`places.py`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache
from string import ascii_lowercase

from ci_metrics.redaction.secret_names import NameKind, name_kind

MASK = "[REDACTED]"

#: Masks, references to a secret kept elsewhere, and expressions: no secret stands here,
#: whatever the name says.
_REFERENCE = re.compile(
    r"""(?:
    # masks
      [*•.xX#_-]+ | [*]{2,}.* | \[?(?:REDACTED|MASKED|FILTERED|HIDDEN|SECRET|SECURE)(?::[\w -]{1,40})?\]? | <[^<>]*>?
    | \([A-Za-z _-]*\)?
    # references
    | \$[{(A-Za-z_].* | \$\d | %\w+% | \{\{.* | \$\$.* | @@.* | \#\{.*
    | id=.* | (?:before|after|focus|hover|active|checked|disabled|not|nth-child|first-child|last-child)[{,:(].*
    | !(?:Ref|Sub|GetAtt|vault|secret|env|reference|Join|ImportValue)\b.*
    | (?:file|https?|s3|gs|arn|projects|vault|op|env|sha\d{1,3}|md5|ssh-\w+|ecdsa-\w+):.* | ssh-(?:rsa|ed25519)
    # lists, maps, blocks
    | \[(?:[\s\d"'\]{\[].*)? | \{(?:[\s"'}].*)? | [|>][+-]?\d?
    # places and files
    | [A-Za-z]:[\\/].* | HK[A-Z]{2,3}\\.*
    | [\w./+~:-]+\.(?:deb|rpm|whl|jar|exe|msi|dll|so|tgz|bz2|xz|css|svg|png|py|js|mjs|ts|tsx|go|rb|rs|java|kt|cs|php|sh|json|ya?ml
      |toml|ini|cfg|conf|txt|pem|key|crt|env|md|html|xml|log|lock|gz|zip)(?::\d+)*:?
    # source text: calls, members, Erlang's functions, Rust's raw names
    | [A-Za-z_][A-Za-z_.]*\(.* | [A-Za-z_][A-Za-z_.]*\[["'\w].*
    | (?:process|os|env|secrets?|vars|self|this|config|settings|request|req|args|opts|options|params|github|var|local|data|module)
      \.[A-Za-z_][\w.]*[,;)]*
    | [\w.:]+/\d{1,2} | [A-Za-z]\#[A-Za-z_]\w* | &(?:str|\[u8\]|String|Path|OsStr)
    # dates and versions
    | \d{4}-\d\d-\d\d[T ]?[\d:.Z+-]* | v?\d+(?:\.\d+){1,3}
    # certificates and public keys
    | LS0tLS1CRUdJTiBDRVJU.* | LS0tLS1CRUdJTiBQVUJM.* | MII[BC]Ij.* | AAAA[BCE][23]Nz.*
    )""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_PATH = re.compile(r"(?:\.{0,2}|~|[A-Za-z]:)[/\\]")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]{0,40}(?:_[A-Z0-9]{1,40})+")  # the name of a variable that holds it
#: Words that stand behind a secret's name in messages, types and settings.
_WORDS_TEXT = """
true false null none nil undefined undef void empty missing required requires optional invalid valid incorrect wrong bad expired not
is isn was were be been the a an and or of for to from in on at by as with via using must should can cannot has have unset set
string str text bytes int bool boolean number any object char varchar symbol error errors failed failure fail passed pass ok okay
success found provided given supplied specified needed used unused unknown unsupported unauthorized unauthenticated forbidden denied
yes no off enabled disabled changed updated created deleted removed added rotated revoked refreshed generated reset mismatch match
matches matched too short long weak strong default inherit write read public private hidden masked redacted sensitive secret
password passwd token key bearer basic digest negotiate oauth oauth2 oidc jwt ntlm kerberos value values name file path env
environment variable here skipped ignored deprecated configured unconfigured available unavailable present absent newline identifier
punc eof end keyword operator and/or flag option argument parameter input output prompt stdin see example sample placeholder todo
tbd n/a access_token id_token refresh_token self this type field length count same-origin include omit strict lax anonymous request
response header headers cookie session
"""
_WORDS = frozenset(_WORDS_TEXT.split())
_WORDY = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_VOWELS = re.compile("[aeiouyAEIOUY]")
#: What no word of English or of a programmer's has: in random letters something of it soon stands.
_UNSAID = re.compile(
    r"[b-df-hj-np-tv-xz]{5}|q(?![u_]|$)|j[bcfghlmnqtvxyz]|v[bdhjknqwxz]|z[bcdfgjknpqrtvwx]|[bdghjkpqvwz]x|x[bdgjknqrvz]|[bdfghjkprtvwxz]q|[aeiou]{4}|[a-z]{21}",
    re.IGNORECASE,
)
_TURNS = re.compile(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])|(?<=[a-z])(?=[A-Z])")
_CHOSEN = re.compile(r"[A-Za-z]\d+[A-Za-z]|\w[!#$%^&*?+~]+\w|[!#$%^&*?+~]$")
_BASE32 = re.compile("[A-Z2-7]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SEPARATED = re.compile(r"[\s_./:,;=+-]+")


def is_secret(value: str, kind: NameKind) -> bool:
    """Whether `value`, behind a name of `kind`, is a secret rather than a word, a path, a
    number, a reference or a mask.
    """
    if not value or kind is NameKind.NOTHING or is_reference(value):
        return False
    if kind is NameKind.PASSWORD:
        return not (value.isdigit() and len(value) < 4) and len(value) > 2
    if kind is NameKind.SECRET:
        return (len(value) >= 8 and looks_made(value)) or _are_drawn_letters(value)
    return len(value) >= 12 and looks_random(value)


@lru_cache(maxsize=1 << 12)
def is_reference(value: str) -> bool:
    """Whether `value` is a mask, a word of messages, a path, or the name
    of where a secret is kept.
    """
    if MASK in value:
        return True
    if value.lower().rstrip(".,:;!?)") in _WORDS or _REFERENCE.fullmatch(value):
        return True
    if _VARIABLE.fullmatch(value) and name_kind(value) > NameKind.MAYBE:
        return True
    return bool(_PATH.match(value)) and (is_readable(value) or _is_path(value))


def _is_path(value: str) -> bool:
    parts = [part for part in value.split("/") if part]
    readable = [is_readable(part) for part in parts]
    if not all(good for good, part in zip(readable, parts, strict=True) if len(part) >= 12):
        return False
    return not {"+", "="}.intersection(value) and 2 * sum(readable) > len(parts)


def looks_made(value: str) -> bool:
    """Whether nobody would say `value`: not words, not a number, not the same few characters."""
    if _UUID.fullmatch(value):
        return True
    if value.isdigit():
        return False
    if value.isalpha() and (value.islower() or value.isupper() or value.istitle()) and len(value) < 24:
        return False
    if len(value) >= 16 and _BASE32.fullmatch(value) and any(c.isdigit() for c in value):
        return True
    if len(value) >= 24 and value.isalnum() and entropy(value) >= 4.3:
        return True
    return entropy(value) >= 2.5 and not is_readable(value) and (any(c.isdigit() for c in value) or len(value) >= 16)


def _are_drawn_letters(value: str) -> bool:
    """Whether letters alone are drawn by chance, and no words: of 16 such letters two thirds, of
    the words of eight letters and more in the Python packages of a machine one in three thousand.
    """
    if not (12 <= len(value) <= 40 and value.isascii() and value.isalpha()) or is_readable(value):
        return False
    if value.islower() or value.isupper() or value.istitle():
        listed = value.lower() in ascii_lowercase * 2
        return entropy(value) >= 3.0 and not listed and len(_UNSAID.findall(value[:20])) >= 2
    pieces = _WORDY.findall(value)
    said = (piece for piece in pieces if len(piece) > 2 and _VOWELS.search(piece) and not _UNSAID.search(piece))
    return 4 * len(pieces) > len(value) >= 3 * sum(map(len, said))


def looks_chosen(value: str) -> bool:
    """Whether `value` may be a password that a person chose: letters around digits,
    or signs that no word has.
    """
    return len(value) >= 6 and bool(_CHOSEN.search(value) or looks_made(value))


def looks_random(value: str) -> bool:
    """Whether `value` can only have been made by a generator of random characters."""
    if _UUID.fullmatch(value):
        return True
    body = _SEPARATED.sub("", value)
    if len(body) < 12 or not any(c.isdigit() for c in body) or not any(c.isalpha() for c in body):
        return False
    return entropy(body) >= 3.0 and not is_readable(value) and len(_TURNS.findall(body)) * 8 >= len(body)


@lru_cache(maxsize=1 << 12)
def is_readable(value: str) -> bool:
    """Whether `value` is made of words and numbers with separators between: `blue-green-2031`,
    `AppServiceImpl`, `prod/db-v2`.
    """
    parts = [part for part in _SEPARATED.split(value) if part]
    letters = words = odd = 0
    for part in parts:
        if part.isdigit():
            continue
        if not part.isascii() or not part.isalnum():
            odd += 1
        turns = len(_TURNS.findall(part))
        pieces = _WORDY.findall(part)
        count = sum(map(len, pieces))
        letters += count
        if len(part) >= 8 and count < 3 * len(pieces):
            continue
        if turns > 2 and sum(c.isdigit() for c in part) > 4:
            continue
        if turns * 4 <= len(part) or len(part) <= 4:  # few changes between letters, digits and cases
            words += sum(
                len(p)
                for p in pieces
                if len(p) <= 2 or (_VOWELS.search(p) and not _UNSAID.search(p)) or (p.isupper() and len(p) <= 5)
            )
    return letters > 0 and not odd and words >= 0.8 * letters


def entropy(value: str) -> float:
    """Bits of information a character of `value` carries."""
    total = len(value)
    return -sum(n / total * math.log2(n / total) for n in Counter(value).values())
