"""What makes two failures "the same": a versioned hash of what names the cause, taken from a
headline or from a line beside it.

Belongs here: what a headline says, hashing it, the coarser group. Does not: what varies from run to
run (`variable_parts.py`), finding errors (`findings.py`).

Rule of thumb: two errors that a person would fix with one change should meet; two that need
different changes should not. Whether a headline names a cause at all is asked of its own words,
before anything in them is made alike.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ci_metrics.code_hash import code_hash
from ci_metrics.logs import headline_words, variable_parts
from ci_metrics.logs.headline_words import NAMELESS_ROLES, is_echo, names_a_thing, says_nothing
from ci_metrics.logs.variable_parts import normalised, without_ornament

__all__ = ["FINGERPRINT_VERSION", "Mark", "normalised", "of"]

#: A hash of this algorithm: another one whenever the same error could get another fingerprint. Its
#: ids begin with `f` and `g`; those of the first one, which was numbered, with `f1` and `g1`.
FINGERPRINT_VERSION = code_hash(__file__, headline_words.__file__, variable_parts.__file__)

#: Lines of an error that are looked through for one that names it.
_LOOKED_AT = 60


@dataclass(frozen=True, slots=True)
class Mark:
    """What identifies an error."""

    fingerprint: str  # `f<version>-…`: the same for failures that one change would fix
    generic: bool  # says nothing about the cause
    named: str  # what was hashed

    @property
    def telling(self) -> bool:
        """Whether the identity names more than a tool's fixed sentence: a path, symbol, package,
        test, quoted value. Never when generic.
        """
        return not self.generic and names_a_thing(self.named.rpartition("\n")[2])

    @property
    def group(self) -> str:
        """`g<version>-…`: coarser, one cause across jobs and repositories."""
        return f"g{FINGERPRINT_VERSION}-{_digest(_coarse(self.named))}"


def group_of_line(line: str) -> str:
    """The group that a line names by itself; "" when it says nothing or only a kind of error."""
    text = normalised(line)
    return (
        ""
        if is_echo(line) or says_nothing(without_ornament(line)) or _THIN.match(text)
        else Mark("", False, text).group
    )


def of(headline: str, lines: Sequence[str], *, role: str = "cause") -> Mark:
    """The marks of an error with this headline among these lines (both cleaned and redacted).

    `role`: what kind of line the headline is, as the catalogue names it. A title, a count, an
    epilogue, a frame and their like (`NAMELESS_ROLES`) name nothing themselves, whatever their
    words: the identity is a telling line's of the same error, or the mark is generic. Any other
    word, "" too, leaves it to the headline's own words.
    """
    text = normalised(headline)
    said = without_ornament(headline)
    generic = role in NAMELESS_ROLES or is_echo(headline) or says_nothing(said)
    if generic or _THIN.match(text) or not names_a_thing(text):
        naming = _naming(said, text, lines, own=role == "frame")
        if naming:
            # What a wrapper says of a cause is no part of it: two wrappers of one cause meet. A
            # kind of error is part of it.
            text, generic = naming if generic else f"{text}\n{naming}", False
    return Mark(f"f{FINGERPRINT_VERSION}-{_digest(text)}", generic, text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


#: Headlines (normalised) that name the kind of error but not the thing: a line
#: that does is taken along.
_THIN = re.compile(
    r"^(?:[\w.$]*(?:assertion|runtime|value|type|key|index|attribute|syntax)?\w*(?:error|exception|failure)\W*(?:<n>)?"
    r"|traceback.{0,40}|assert(?:ion)? .{0,80}|segmentation fault.{0,40}|.{0,20}(?:timed? ?out|timeout)\W*(?:<time>)?\W*"
    r"|expected.{0,60}|received.{0,60}|actual.{0,60}|.{0,24}failed\W*|error\[E\d+\]: [^'`\"]{0,60}|npm err(?:!|or) code \w+\W*"
    r"|.{0,3})$",
    re.IGNORECASE,
)
_CODE = r"\.(?:py|[cm]?[jt]sx?|rs|go|java|rb|php|c|cc|cpp|h|cs|kt|scala|swift|exs?)"
#: Lines that name a test, a diagnostic, or the package that npm was building.
_NAMED = re.compile(
    r"^\s*(?:(?:FAILED|FAIL|ERROR)\s+\S+[./:]|FAIL(?:ED)?:\s*\S|--- FAIL:|not ok \d|_{3,} \S|[●✕✗✘×] \S|\d+\) \S|\[  FAILED  \] |---- \S"
    r"|test \S+ \.\.\.)|^npm err(?:!|or) path \S*node_modules/\S|^\S.{0,120} FAILED$|^error\[\w+\]"
)
_CODE = r"\.(?:py|[cm]?[jt]sx?|rs|go|java|rb|php|c|cc|cpp|h|cs|kt|scala|swift|exs?)"
#: Lines that name a place: a frame, a file with a line, a file alone.
_PLACED = re.compile(
    r"^\s*(?:File \"|at \S*[(./:<]|--> \S|in [`'\w./]+(?::\d|['`]))"
    rf"|^\W{{0,4}}(?:\[\w+\] )?[^\s:]+{_CODE}\W*$"
)
_IN_FILE = re.compile(rf"{_CODE}(?:[:(]\[?\d|\", line \d)")
#: Frames of code that the project did not write: the last resort for a name.
_FOREIGN = re.compile(
    r"site-packages/|node_modules/|/lib/python\d|/usr/(?:local/)?(?:lib|go)/|<frozen |internal/|\bnode:"
)
#: Lines that say something went wrong: one that names a thing serves where no test
#: and no place is named.
_WRONG = re.compile(
    r"\b(?:error|err!|fail(?:ed|ure|s)?|fatal|cannot|can't|could not|couldn't|unable|missing|invalid|denied)\b", re.I
)
#: Lines that are no word of this error.
_ASIDE = re.compile(
    r"^\W{0,3}(?:npm )?warn(?:ing)?\b(?!\] \S+$)|: warning[: ]|deprecat|^\s*(?:> |##\[warning\]"
    r"|(?:if|for|while|echo|set|export|exit|running|pass|ok)\b|\[\[|✓|✔)|\.\.\. ok$| PASSED\b",
    re.IGNORECASE,
)


def _naming(said: str, text: str, lines: Sequence[str], *, own: bool) -> str:
    """What names the error beside its headline (`said`, normalised: `text`); "" where nothing does.

    `own`: the headline is a frame, of which the tail after the last colon
    counts as a line of its own.
    """
    if own and (tail := said.rpartition(": ")[2]) != said and not says_nothing(tail) and names_a_thing(tail):
        return normalised(tail)
    near = [line[: variable_parts.LONGEST] for line in lines[:_LOOKED_AT]]
    placed = sorted((kind, at) for at, line in enumerate(near) if (kind := _place(line)))
    for kind, at in placed:
        if kind == _STRANGE and (words := _in_words(near, text)):
            return words
        if name := _name(near[at], text):
            return name
    return "" if placed and placed[-1][0] == _STRANGE else _in_words(near, text)


#: What a line beside the headline names, the better the lower: a test or a diagnostic, a
#: place in the project's own code, a place in other people's (a thing that went wrong, in
#: words, comes before it).
_TEST, _PLACE, _STRANGE = 1, 2, 3


def _place(line: str) -> int:
    if _NAMED.match(line) or "<<< " in line:
        return _TEST
    if _PLACED.match(line) or ("." in line and _IN_FILE.search(line)):
        return _STRANGE if _FOREIGN.search(line) else _PLACE
    return 0


def _name(line: str, text: str) -> str:
    """A line as a name for an error with the headline `text`; "" where it is an aside, says
    nothing, or is the headline again.
    """
    if is_echo(line) or _ASIDE.search(line) or (says_nothing(without_ornament(line)) and "node_modules/" not in line):
        return ""
    name = normalised(line)
    return name if name != text else ""


def _in_words(lines: Sequence[str], text: str) -> str:
    """The first line that says in words that something went wrong, and what."""
    for line in lines:
        if _WRONG.search(line) and (name := _name(line, text)) and names_a_thing(name):
            return name
    return ""


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
