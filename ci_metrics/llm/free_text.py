"""A model's free text without addresses and without commands to run, in whatever spelling.

What belongs here: finding both and taking them out. Does not: the other fields
of an answer (`schema.py`).

A log may talk a model into anything, and people read its words as advice. What is found is replaced
by a mark. Then the text is read as somebody might who undoes a disguise (letters that look alike,
blanks between letters, "dot" for a dot, entities, encodings); where that reading still holds
something, the whole text is withheld.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

ADDRESS_MARK, COMMAND_MARK = "[address removed]", "[command removed]"
WITHHELD = "[withheld: it held a disguised address or command]"

#: Longer texts are cut before they are looked at: a document is no place for an essay.
MOST_CHARS = 1_200

# What a terminal or a page takes for more than text: control characters, line breaks,
# marks that turn the reading direction. Half a surrogate pair is no text at all: no
# file and no index takes it.
_UNPRINTED = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

#: Endings of names of files and of members in code: as an address they count
#: only with a path behind.
_CODE = re.compile(
    "py|rs|sh|md|cc|pl|so|hs|mk|ml|ps|vb|tf|js|ts|go|rb|cs|kt|java|json|toml|yaml|yml|lock|txt|log|xml|html|css|cfg|ini|jsx|tsx|"
    "cpp|hpp|cxx|pyc|whl|jar|tar|gz|zip|exe|dll|lib|bat|cmd|gradle|swift|scala|sql|csv|in|ac|id|is|name|info|app|run",
    re.IGNORECASE,
)

_ENDING = (
    r"(?:com|net|org|edu|gov|mil|int|info|biz|name|example|test|local|invalid|internal|onion|arpa|aero|app|dev|page|web|cloud|site|"
    r"online|store|shop|tech|xyz|top|club|live|link|click|host|press|space|website|fun|icu|vip|work|world|zone|email|download|zip|"
    r"mov|run|blog|news|media|agency|digital|network|systems|services|solutions|software|codes|pro|mobi|asia|travel|[a-z]{2}|"
    r"xn--[a-z0-9-]+)"
)
_ADDRESS = re.compile(
    rf"""(?ix)
    (?: \b[a-z][a-z0-9+.-]{{1,20}} \s?:\s?/\s?/ \s? | \bhxxps?\b | \b(?:mailto|javascript|magnet|tel|vbscript):(?=\S)
        | \bdata:[a-z]+/ | (?<![:\w/])//(?=[\w.-]+\.\w) | \bwww\d?\. ) \S*
    | (?P<name> (?P<user>[\w.+-]+@)? (?<![\w.-]) (?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+ (?P<ending>{_ENDING}) (?![\w-]|\.\w)
        (?P<port>:\d+)? (?P<path>[/?\#]\S*)? )
    | (?<![\w.]) (?!127\.|0\.0\.0\.0) (?:\d{{1,3}}\.){{3}} \d{{1,3}} (?![\w.]) (?::\d+)? (?:/\S*)?
    | \[ (?=[^\]]*:[^\]]*:) [0-9a-f:.]{{2,45}} \] (?: :\d+ \S* | /\S* )
    | (?<![\\\w:]) \\\\ [\w.-]+ \\ \S+
    | (?<![\w:]) \[? (?=[0-9a-f:]*\d) [0-9a-f]{{1,4}} (?: :[0-9a-f]{{0,4}} ){{3,7}} \]? (?![\w:])
    """
)

#: Words after a command's own that make a sentence of it ("pip install failed because ..."): then
#: it is only hyphenated.
_TOLD = (
    r"(?:failed|fails|failing|could|cannot|can|did|does|was|were|is|has|had|exited|exits|returned|returns|timed|times|errored|stopped|"
    r"reported|reports|ended|aborted|hung|got|gets|ran|found|step|steps|command|because|with|while|during|not|output|error|errors|exit|"
    r"and|or|to|in|on|of|for|from|by|at|until|then|process|download|request|requests|job|\w{2,}ed)\b"
)
_VERBS = (
    r"(?:install|i|ci|add|run|exec|x|update|upgrade|dlx|get|sync|download|remove|uninstall|pull|build|test|publish|login|tool|mod|repo|"
    r"apply|plugin)"
)
_TOOLS = (
    r"(?:pip(?:x|\d(?:\.\d+)?)?|uv(?:\s+pip)?|poetry|conda|mamba|npm|pnpm|yarn|bun|gem|bundle|cargo|go|apt(?:-get|itude)?|apk|dnf|yum|brew|"
    r"choco|winget|scoop|pacman|snap|docker(?:\s+compose)?|podman|helm|composer|dotnet|nuget|corepack|mix|cabal|stack|deno)"
)
_GIT = r"git\s+(?:clone|pull|push|checkout|config|fetch|reset|apply|am|submodule|remote|rebase|clean|lfs)"
#: Command lines of clouds and code hosts, with words that stand behind their names in commands.
_CLOUDS = (
    r"(?:aws|az|gcloud|gsutil|gh|glab)\s+(?:s3(?:api)?|ec2|iam|sts|ssm|kms|lambda|secretsmanager|configure|login|auth|secrets?|variable|"
    r"repo|pr|issue|run|workflow|release|api|ssh-key|gist|account|keyvault|storage|compute|cp|rsync|config)"
)
#: Tools that are a command where an option, or a place from the root or somebody's home, is behind.
_FILE_TOOLS = (
    r"(?:rm|cat|less|cp|mv|ln|dd|tee|nc|nmap|crontab|del|rmdir|shred|truncate|kill(?:all)?|mkfs(?:\.\w+)?|tar|base64|openssl|printenv|"
    r"env)"
)
_SHELL = r"(?:(?:ba|z|da|k|fi)?sh|python\d?|perl|ruby|node|php|iex|pwsh|powershell|cmd)"
_END = r".*?(?=[.;!?](?:\s|$)|[`”\"]|$)"
_SENTENCE = re.compile(rf"(?i)\b(?:{_TOOLS}\s+{_VERBS}|{_GIT})(?=\s+{_TOLD}|\s*[.,;:!?)]|\s*$)")
_COMMAND = re.compile(
    rf"""(?ix)
    (?: (?<![\w.-]) (?: {_TOOLS}\s+{_VERBS}\b | {_GIT}\b | {_CLOUDS}\b(?!\s+{_TOLD}|\s*[.,;:!?)]|\s*$)
          | (?:npx|bunx|uvx|sudo|kubectl|terraform|ssh|scp|rsync|ncat|telnet|certutil|mshta|start-process|chmod|chown)\s
          | (?:iwr|iex|invoke-\w+)[\s(] | reg\s+(?:add|delete|import)\s
          | {_FILE_TOOLS}\s+(?:-\w|~/|\$\w|/[a-z]) | {_SHELL}\s+(?:-|/c\b|<|\S+\.(?:sh|ps1|py|pl|rb|js)\b)
          | (?:curl|wget)(?!\s+{_TOLD})\s
          | export\s+\w+= | eval\s*[$"'(`] )
        | \|\s*(?:sudo\s+)?(?:{_SHELL}|nc|ncat|curl|wget|xargs)\b
        | :\(\)\s*\{{ | `(?:rm|mv|cp|dd|kill)\s | \$\( | &&\s*\S | (?<![\w./])\./\w | `[^`]*\s--?\w[^`]* ) {_END}
    """
)

#: Letters and marks that look like Latin ones, beyond what NFKC makes equal.
_ALIKE = str.maketrans(
    "аеорсухіјѕһԁԛԝкмтнвгпиАВЕКМНОРСТУХІЈЅαορνικτυχγωΑΒΕΖΗΙΚΜΝΟΡΤΥΧıɡɑոօսցⅼ։∶ꓽ⁄∕⧸╱․。·‧∙⋅∣ǀ‐‑‒–—−",
    "aeopcyxijshdqwkmthbrnuABEKMHOPCTYXIJSaopviktuxywABEZHIKMNOPTYXiganougl:::////......||------",
)

_SINGLES = re.compile(r"(?<!\S)(?:\S ){2,}\S(?!\S)|(?<!\w)(?:\w[._*-]){2,}\w(?!\w)")

#: How dots and slashes are written in words, and blanks put around them.
_SPELLED = (
    (re.compile(r"(?i)\s*[\[({<]\s*(?:dot|\.)\s*[\])}>]\s*|\s+dot\s+|\s+\.\s?(?=\w)"), "."),
    (re.compile(r"(?i)(?:\.\s+|,)(?=(?:com|net|org|io|xyz|ru|cn|dev|co|top)\b)"), "."),
    (re.compile(r"(?i)\s*[\[({<]\s*(?:at|@)\s*[\])}>]\s*"), "@"),
    (re.compile(r"(?i)\s*[\[({<]\s*:\s*[\])}>]\s*|\s+colon\s+|\s+:\s*(?=/)"), ":"),
    (re.compile(r"(?i)\s*[\[({<]\s*/\s*[\])}>]\s*|\s+slash\s+|(?<=/)\s+(?=/)"), "/"),
)
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")


def plain_words(text: str) -> str:
    """The text on one line, with neither; WITHHELD when it holds one in disguise."""
    text = _UNPRINTED.sub(" ", text[:MOST_CHARS])
    text = " ".join(without_format(text).split())
    text = _ADDRESS.sub(lambda found: ADDRESS_MARK if _is_address(found) else found.group(), text)
    text = _COMMAND.sub(COMMAND_MARK, _SENTENCE.sub(_hyphenated, text))
    unmarked = text.replace(ADDRESS_MARK, "…").replace(COMMAND_MARK, "…")
    return WITHHELD if any(map(_holds_something, readings(unmarked))) else text


def without_format(text: str) -> str:
    """The text without characters that only steer how others are shown."""
    return text if text.isascii() else "".join(c for c in text if unicodedata.category(c) != "Cf")


def _is_address(found: re.Match[str]) -> bool:
    """Whether it is none of the names that end like one: a file, a member in code."""
    if not found["name"] or found["user"] or found["path"]:
        return True
    return _CODE.fullmatch(found["ending"]) is None


def _hyphenated(found: re.Match[str]) -> str:
    return "-".join(found.group().split())


def _holds_something(text: str) -> bool:
    return any(map(_is_address, _ADDRESS.finditer(text))) or bool(_COMMAND.search(_SENTENCE.sub(_hyphenated, text)))


def readings(text: str) -> Iterator[str]:
    """The text as it reads once disguises are undone, one after another. It is without format
    characters.
    """
    letters = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text))
    text = "".join(c for c in letters if unicodedata.category(c) not in ("Mn", "Me")).translate(_ALIKE)
    yield text
    for coded in _ENCODED.findall(text):
        yield from _decoded(coded)
    text = html.unescape(unquote(html.unescape(text)))
    yield text
    text = _SINGLES.sub(lambda found: found.group()[::2], text)
    yield text
    for spelled, mark in _SPELLED:
        text = spelled.sub(mark, text)
    yield text


def _decoded(coded: str) -> Iterator[str]:
    """What a word says in base64 or hexadecimal digits, where that is text."""
    padded = coded.rstrip("=").translate(str.maketrans("-_", "+/"))
    padded += "=" * (-len(padded) % 4)
    for decode in (base64.b64decode, bytes.fromhex):
        try:
            said = decode(padded if decode is base64.b64decode else coded)
        except (ValueError, binascii.Error):
            continue
        if said.isascii() and (words := said.decode("ascii")).isprintable():
            yield words
