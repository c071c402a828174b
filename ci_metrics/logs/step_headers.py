"""Lines with which GitHub's runner begins a step, or a composite action's own step: what
each tells of what is run.

Belongs here: one such line and what stands around it in, a `Header` out. Does not: which step of
the job it begins (`steps.py`).

What is printed is the runner's own (actions/runner): `ActionRunner.cs` and `HandlerFactory.cs`
before a header, `Handler.cs` and `ScriptHandler.cs` the header, `CompositeActionHandler.cs`
the marks of inner steps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ci_metrics.logs.lines import line_time, step_column, text_of, without_stamp
from ci_metrics.logs.scan import Block, Hit

#: Lines that the runner prints of a step before its header, each by itself
#: (`ActionRunner.cs`, `HandlerFactory.cs`).
_BEFORE = re.compile(
    rb"Node \d+ is being deprecated|##\[warning\](?:Unexpected input\(s\)|Input '.*' has been deprecated)|A job (?:started|completed) hook "
    rb"has been configured"
)
#: The first line of a step that uses a folder of the repository, and those that may
#: follow it before the header.
_PREPARE = b"Prepare all required actions"
_PREPARING = re.compile(
    rb"Getting action download info|Download action repository |##\[group\]Download immutable action package |##\[endgroup\]"
    rb"|Version: |Digest: |Source commit SHA: "
)
#: The runner's mark of a composite action's step (`CompositeActionHandler.cs`, since 2026).
_INNER = b"##[start-action "
#: Where the runner keeps the actions that it has fetched, and the variable that names the folder
#: of one to its own steps.
_WITHIN = re.compile(rb"GITHUB_ACTION_PATH|[/\\]_actions[/\\]")
#: What begins the header of what a step runs.
_RUN = b"##[group]Run "
#: The line that names a script's shell, behind columns and a timestamp.
_SHELL = re.compile(rb"(?m)^(?:[^\t\n]*\t[^\t\n]*\t)?(?:\d{4}-\d\d-\d\dT[\d:.]+Z )?shell: ([^\r\n]+)")
#: The line that ends a header.
_END_GROUP = re.compile(rb"(?m)^(?:[^\t\n]*\t[^\t\n]*\t)?(?:\d{4}-\d\d-\d\dT[\d:.]+Z )?##\[endgroup\]")
#: Bytes in which the end of a header is looked for, and lines before it that may belong to it.
_GROUP, _LINES_BEFORE = 20_000, 60
#: What `gh run view --log` names steps whose logs the archive does not hold.
_UNKNOWN_STEP = "UNKNOWN STEP"
#: What a step uses: `owner/name[/path]@ref`, a folder of the repository, an image.
ACTION = re.compile(r"/?\.{1,2}[/\\]\S*$|[\w.*-]+/[\w.*-]+(?:/\S*)?@\S+$|docker://\S+$")
_WORD = re.compile(r"[a-z]+|\d+")
#: Words of names that say nothing of what is run.
_EMPTY_WORDS = frozenset(
    {
        "all",
        "an",
        "and",
        "at",
        "by",
        "ci",
        "else",
        "for",
        "from",
        "if",
        "in",
        "job",
        "of",
        "on",
        "run",
        "runs",
        "set",
        "step",
    }
    | {"the", "to", "up", "use", "using", "via", "with"}
)


@dataclass(frozen=True, slots=True)
class Header:
    """One line that may begin a step."""

    at: int  # offset in the log of the first line that belongs to it
    kind: str  # run, post, orphans, setup, container, debug, early (an error of the runner before any header)
    text: str  # what follows the marker
    second: float | None  # its timestamp in whole seconds since 1970
    shell: str | None = (
        ""  # with its arguments, "" where it names none, as an action does; None where the log does not tell
    )
    follows: bool = False  # stands directly behind the header before, which printed nothing itself
    marked: bool = False  # the runner marks it as a composite action's
    within: bool = False  # what it runs lies in an action's folder, so a composite action's
    column: str | None = None  # the step that `gh run view --log` names
    words: frozenset[str] = frozenset()  # of what is run

    @property
    def script(self) -> bool:
        """Whether it begins a script, and no action: the runner names its shell."""
        return bool(self.shell)

    @property
    def plain(self) -> bool:
        """Whether a default shell runs it, which only steps of a workflow have: actions must
        name one, and name it otherwise.
        """
        return "bash -e {0}" in (self.shell or "")

    @property
    def echoed(self) -> bool:
        """Whether a program seems to have printed it: an action is named otherwise, and below a
        script's header stands its shell.
        """
        return self.kind == "run" and self.shell == "" and not self.action and not self.hook

    @property
    def hook(self) -> bool:
        """Whether it begins a hook of a self-hosted runner: a script that is
        named by its quoted path.
        """
        return self.kind == "run" and self.text.startswith("'") and self.text.endswith("'")

    @property
    def action(self) -> bool:
        """Whether it begins what a `uses:` names, which may be composite."""
        return self.kind == "run" and not self.script and bool(ACTION.match(self.text))


def telling_words(text: str) -> frozenset[str]:
    """The words of a name or a command that may tell one step from another."""
    return frozenset(word for word in _WORD.findall(text.lower()) if word not in _EMPTY_WORDS and len(word) > 1)


def read_header(block: Block, hit: Hit, kind: str, *, behind: int, deep: bool = False) -> tuple[Header, int]:
    """One header of GitHub's, and the offset behind its own lines (-1 where they do not end);
    `behind`: that of the one before. `deep`: it stands inside so many others that its own lines
    are not looked for.
    """
    raw = block.data[hit.start : hit.end]
    text = text_of(raw)
    begin, marked = hit.start, False
    if kind in ("run", "post", "container"):
        begin, marked = _first_line(block.data, hit.start, local=b"##[group]Run ." in raw)
    match kind:
        case "run":
            text = text.removeprefix(_RUN.decode())
        case "container":
            text = text.removeprefix("##[group]").removeprefix("##")
        case "debug":
            text = text.split(": ", 1)[-1].strip("'")
    body, end = (b"", -1) if deep else _body(block.data, hit.end) if kind == "run" else (b"", hit.end + 1)
    shell = _shell(body)
    script = body[: shell.start()] if shell else b""
    column = step_column(raw)
    header = Header(
        block.offset + begin,
        kind,
        text,
        line_time(raw),
        shell=shell[1].decode("utf-8", "replace") if shell else "" if end >= 0 else None,
        follows=behind == block.offset + begin,
        marked=marked,
        within=bool(_WITHIN.search(script)),
        column=column[1] if column is not None and column[1] != _UNKNOWN_STEP else None,
        words=telling_words(text.split("@")[0]) if kind == "run" else frozenset(),
    )
    return header, block.offset + end if end >= 0 else -1


def script_lines(data: bytes, at: int) -> list[str]:
    """The clean lines of the script whose header's lines begin at `at`, as the runner echoes them;
    [] where the log does not show them whole.
    """
    start = data.find(_RUN, at, at + _GROUP)
    line_end = data.find(b"\n", start) if start >= 0 else -1
    body, end = _body(data, line_end + 1) if line_end >= 0 else (b"", -1)
    shell = _shell(body)
    if end < 0 or shell is None:
        return []
    return [text_of(line) for line in body[: shell.start()].split(b"\n")[:-1]]


def _first_line(data: bytes, at: int, *, local: bool) -> tuple[int, bool]:
    """Where the lines begin that the runner prints of the step whose header is at `at`, and whether
    it marks it as an inner one.

    `local`: it uses a folder of the repository, whose own actions are fetched
    before the header is printed.
    """
    begin = here = at
    marked = False
    for _ in range(_LINES_BEFORE):
        start = data.rfind(b"\n", 0, max(here - 1, 0)) + 1
        if start >= here:
            break
        line = without_stamp(data[start : here - 1])
        if line.startswith(_INNER):
            return start, True
        if _BEFORE.match(line) or (local and line.startswith(_PREPARE)):
            begin = start
        elif not (local and _PREPARING.match(line)):
            break
        here = start
    return begin, marked


def _body(data: bytes, at: int) -> tuple[bytes, int]:
    """What the header that ends at `at` says of its step, and where the next line begins (-1
    where the log does not tell).
    """
    end = _END_GROUP.search(data, at, at + _GROUP)
    if end is None:
        return data[at : at + _GROUP], -1
    return data[at : end.start()], data.find(b"\n", end.end()) + 1 or -1


def _shell(body: bytes) -> re.Match[bytes] | None:
    """The line of a header that names the shell of a script; None for an action's,
    whose inputs may be called so.
    """
    return next(
        reversed(list(_SHELL.finditer(body))), None
    )  # the runner's own is the last: a script may hold such a line
