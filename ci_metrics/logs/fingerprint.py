"""What makes two failures "the same": a versioned hash of the normalised headline, and of what tells apart headlines that say little.

Belongs here: normalising and hashing. Does not: finding errors (`findings.py`).

Rule of thumb: two errors that a person would fix with one change should meet; two that need different changes should not. So what
varies from run to run goes (times, ids, addresses, sizes, counts, hosts, workspaces, temporary folders, line numbers), and what
names the cause stays (names of tests, packages, files, symbols, error codes, exit codes, HTTP statuses, versions).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

#: Changes whenever the same error could get another fingerprint.
FINGERPRINT_VERSION = "1"


#: Characters of a line that count; what names a failure stands before them.
LONGEST = 300


@dataclass(frozen=True, slots=True)
class Mark:
    """What identifies an error."""

    fingerprint: str  # `f1-…`: the same for failures that one change would fix
    generic: bool  # says nothing about the cause
    named: str  # what was hashed

    @property
    def group(self) -> str:
        """`g1-…`: coarser, one cause across jobs and repositories."""
        coarse = hashlib.sha256(_coarse(self.named).encode()).hexdigest()[:16]
        return f"g{FINGERPRINT_VERSION}-{coarse}"


#: Name, what a match begins with (D a digit, L a letter, S one of `_SYMBOLS`), expression, and what becomes of it: "keep" stays as
#: it is, "" goes, else what stands for it. The first that matches at a place wins.
_RULES: tuple[tuple[str, str, str, str], ...] = (
    # what names the cause and looks like what does not
    (
        "keep",
        "L",
        r"\b(?:exit(?:ed)?(?: with)?(?: an?)?(?: exit)?|return(?:ed)?)(?: code| status)?:? \d{1,3}\b",
        "keep",
    ),
    ("status", "L", r"\b(?:HTTP|http|status(?: code)?|error|code|Error|response)[ :=/(]{1,3}[1-5]\d\d\b(?!\.)", "keep"),
    ("signal", "L", r"\bsignal \d{1,2}\b", "keep"),
    ("code", "L", r"\b[A-Z]{1,8}-?\d{2,5}\b(?![.-]\d)", "keep"),
    # what varies
    ("stamp", "D", r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?", "<time>"),
    ("clock", "D", r"\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?\b", "<time>"),
    ("date", "D", r"\b\d{4}[-/]\d\d[-/]\d\d\b", "<time>"),
    ("uuid", "DL", r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b", "<id>"),
    ("digest", "L", r"\bsha(?:1|256|512)[:-][0-9A-Za-z+/=]{16,}", "<id>"),
    ("address", "D", r"\b0x[0-9a-fA-F]+\b", "<id>"),
    ("ip", "D", r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5}|/\d{1,2}\b)?(?![\w.]\d)", "<host>"),
    ("ip6", "DLS", r"(?<![\w:])\[?(?:[0-9a-f]{1,4}:){3,7}(?::|[0-9a-f]{1,4})\]?(?::\d{2,5})?", "<host>"),
    ("localport", "L", r"\b(localhost):\d{2,5}\b", "localhost:<n>"),
    ("runner", "L", r"\b(?:fv-az|ip-\d|runner-|i-0)[\w.-]*\d[\w.-]*", "<host>"),
    (
        "pod",
        "L",
        r"\b([a-z][a-z0-9]*(?:-[a-z][a-z0-9]*)*)(?:-[a-z0-9]{8,10})?-(?=[a-z0-9]{0,4}\d)[a-z0-9]{5}\b(?!\.\w{1,4}:)",
        r"\1-<id>",
    ),
    ("mac", "DL", r"\b(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}\b", "<id>"),
    (
        "temp",
        "S",
        r"(?:/private)?/(?:tmp|var/folders/\w\w|var/tmp|dev/shm)/[^\s:'\",)\]]*(?=/)|(?:/private)?/(?:tmp|var/folders)/[^\s:'\",)\]]+",
        "<tmp>",
    ),
    ("wintemp", "L", r"[A-Za-z]:\\(?:Users\\[^\\\s]+\\AppData\\Local\\)?Te?mp\\[^\s:'\",)\]]+", "<tmp>"),
    (
        "workspace",
        "LS",
        r"/home/runner/work/[^/\s]+/[^/\s]+/|/Users/runner/work/[^/\s]+/[^/\s]+/|/__w/[^/\s]+/[^/\s]+/|/github/workspace/"
        r"|[A-Z]:\\a\\[^\\\s]+\\[^\\\s]+\\|/home/travis/build/[^/\s]+/[^/\s]+/|/(?:var/lib/jenkins|builds)/workspace/[^/\s]+/"
        r"|/actions-runner/_work/[^/\s]+/[^/\s]+/|/home/circleci/[^/\s]+/|/builds/[^/\s]+/[^/\s]+/",
        "",
    ),
    ("home", "LS", r"(?:/home|/Users)/[^/\s]+/|/root/|[A-Z]:\\Users\\[^\\\s]+\\", "~/"),
    ("tool", "S", r"/opt/hostedtoolcache/[^/\s]+/[^/\s]+/[^/\s]+/", "<tool>/"),
    (
        "worker",
        "LS",
        r"\[gw\d+\]|\bgw\d+\b|\bworker[ -]?\d+\b(?!-)|\bthread[ -]\d+\b|\bprocess[ -]\d+\b|\bpid[ :=]+\d+|==\d+==|\(\d{3,}\)",
        "<worker>",
    ),
    ("size", "D", r"\b\d+(?:[.,]\d+)*\s?(?:[KMGT]i?B|bytes|[kKMGT]b|B)\b", "<size>"),
    ("time", "D", r"\b\d+(?:[.,]\d+)?\s?(?:ns|us|µs|ms|s|sec|secs|seconds?|m|min|mins|minutes?|h|hours?)\b", "<time>"),
    ("percent", "D", r"\b\d+(?:\.\d+)?\s?%", "<n>"),
    (
        "version",
        "DL",
        r"(?<![\w.])v?\d+\.\d+(?:\.\d+)*(?:[-+.]?(?:rc|alpha|beta|dev|post|SNAPSHOT|a|b)[\w.]*)?(?=[\s,;:)\]'\"}=<>!~]|$|-)",
        "version",
    ),
    ("pinned", "DL", r"(?<=[@=])v?\d[\w.+-]*", "keep"),
    (
        "place",
        "LS",
        r"(?<=[\w)\]'\"]):\d+(?::\d+)?(?=[:\s,)\]]|$)|\bline \d+(?:,? col(?:umn)? \d+)?|\((?:\d+,\d+|\d+:\d+)\)|:\[\d+,\d+\]|, character(?:s)? \d+(?:-\d+)?",  # noqa: E501
        ":<n>",
    ),
    ("hash", "DL", r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}\b", "<id>"),
    ("number", "DS", r"(?<![\w.])[-+]?\d+(?:[.,]\d+)*(?![\w.])", "<n>"),
)
_SYMBOLS = r"[/\[(:,=+-]"


def _starting(kind: str, first: str) -> str:
    """The rules whose matches begin with `kind`, in order, tried only where `first` stands."""
    rules = (f"(?P<{kind}{i}>{rule[2]})" for i, rule in enumerate(_RULES) if kind in rule[1])
    return f"(?={first})(?:{'|'.join(rules)})"


#: All rules in one: nearly every place in a text is ruled out by one or two looks at its character. Inside a word only a drive
#: letter begins anything.
_NORMAL = re.compile(
    r"(?:(?!(?<=\w)\w)|(?=[A-Za-z]:\\))(?:"
    + "|".join((_starting("D", r"\d"), _starting("L", "[A-Za-z]"), _starting("S", _SYMBOLS)))
    + ")"
)
_OWN = [re.compile(rule[2]) for rule in _RULES]
_FRONT = re.compile(
    r"^(?:##\[\w+\]|[\s>|*=#+_-]+|\d+\) |E\s{2,}|\[(?:ERROR|error|FAIL|E)\]\s*|(?:ERROR|Error|error|FATAL|fatal)\s*:\s*(?=\S*(?:Error|error|fatal|FAIL)))+"  # noqa: E501
)
#: What is no part of a headline where it stands at the end: white space and ornament.
_TAIL = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "=_*#.…-"

#: Headlines that say only that something failed.
_EXITED = re.compile(
    r"^.{0,80}?(?:process|command|step|script|job|task|build|action|program|it|make|npm err!|error)?\W*"
    r"(?:completed|exited|finished|failed|returned|exit|terminated|ended|error)?(?: with)?(?: an?)?(?: non-?zero)?\W*"
    r"(?:exit |error |status |return )?(?:code|status)[: ]+\d+\W*$",
    re.IGNORECASE,
)
_EXIT = re.compile(r"(?:code|status)[: ]+\d+\W*$", re.IGNORECASE)  # its end, which is quickly looked for
_FAILED = re.compile(
    r"^(?:(?:build|test|tests|job|step|command|script|task|compilation|run)s? (?:failed|failure|failures|aborted|error|errors)\W*"
    r"|(?:the )?operation was cancell?ed\W*|(?:errors?|fail(?:ed|ure|ures)?|fatal|aborted|abort(?:ing)?|killed|failures!)\W*"
    r"|<n> (?:tests? |errors? )?(?:failed|failures?|errors?)\b.{0,60}|finished: \w+\W*|lifecycle\W*|elifecycle\W*.{0,40}"
    r"|make(?:\[\d+\])?: \*\*\* \[[^\]]*\] error (?:<n>|\d+)\W*|exit (?:code|status) \d+\W*)$",
    re.IGNORECASE,
)
#: Headlines that name the kind of error but not the thing: a line that does is taken along.
_THIN = re.compile(
    r"^(?:[\w.$]*(?:assertion|runtime|value|type|key|index|attribute|syntax)?\w*(?:error|exception|failure)\W*(?:<n>)?"
    r"|traceback.{0,40}|assert(?:ion)? .{0,80}|segmentation fault.{0,40}|.{0,20}(?:timed? ?out|timeout)\W*(?:<time>)?\W*|expected.{0,60}"
    r"|received.{0,60}|actual.{0,60}|.{0,24}failed\W*|.{0,3})$",
    re.IGNORECASE,
)
#: Lines that name a test, a file or a symbol.
_NAMING = re.compile(
    r"^(?:FAILED|ERROR|FAIL:?|--- FAIL:|not ok \d+|_{3,}|\s*●|\s*\d+\)|\[  FAILED  \]|test |---- )\s*\S|<<< (?:FAILURE|ERROR)"
    r"|^\s*(?:File \"|at |-->|in )\S+|\.(?:py|js|ts|rs|go|java|rb|php|c|cc|cpp|cs|kt|scala|swift|ex|exs)\b"
)


@lru_cache(maxsize=128)  # a flood says the same again and again
def normalised(text: str) -> str:
    """`text` without what varies from run to run."""
    text = text[:LONGEST].strip()
    if found := _FRONT.match(text):
        text = text[found.end() :]
    return _NORMAL.sub(_replaced, " ".join(text.rstrip(_TAIL).split()))


def _replaced(found: re.Match[str]) -> str:
    number = int((found.lastgroup or "")[1:])  # each rule is a named group, and nothing around it is one
    instead = _RULES[number][3]
    text = found.group(0)
    if instead == "keep":
        return text
    if instead == "version":  # a measured 12.5 is no version; 1.2.3, v2.0 and ==1.2 are
        return (
            text
            if text.count(".") > 1
            or text[0] == "v"
            or found.string[: found.start()].endswith(("=", "@", "-", "version "))
            else "<n>"
        )
    if "\\" in instead:
        return _OWN[number].sub(instead, text)
    return instead


def of(headline: str, lines: Sequence[str]) -> Mark:
    """The marks of an error with this headline among these lines (both cleaned and redacted)."""
    text = normalised(headline)
    generic = _generic(text) or not re.search(r"[A-Za-z]{3}", text)
    parts = [text]
    if generic or _THIN.match(text):
        naming = next((n for line in lines[:60] if _NAMING.search(line) and (n := normalised(line)) != text), "")
        if naming and not _generic(naming):
            parts.append(naming)
            generic = False
    named = "\n".join(parts)
    digest = hashlib.sha256(named.encode()).hexdigest()[:16]
    return Mark(f"f{FINGERPRINT_VERSION}-{digest}", generic, named)


def _generic(text: str) -> bool:
    return bool(_FAILED.match(text) or (_EXIT.search(text) and _EXITED.match(text)))


_PATH = re.compile(r"(?:[\w.@~+<>-]*[/\\])+")
_QUOTED = re.compile(r"'[^'\n]{1,120}'|\"[^\"\n]{1,120}\"|`[^`\n]{1,120}`|‘[^’\n]{1,120}’")
_VERSIONS = re.compile(r"(?<![\w])v?\d+(?:\.\d+)+[\w.-]*|<[a-z]+>")


def _coarse(text: str) -> str:
    """One cause across jobs and repositories: folders and versions go, names stay."""
    if "/" in text or "\\" in text:
        text = _PATH.sub("", text)
    text = _QUOTED.sub(lambda q: q.group(0).lower(), text)
    if "." in text or "<" in text:
        text = _VERSIONS.sub("", text)
    return " ".join(text.split()).lower()
