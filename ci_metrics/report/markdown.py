"""Text from CI inside GitHub's markdown: shown as it is, and nothing more.

What belongs here: making text inert. Does not: what a comment says (`pr_comment.py`).

GitHub looks for mentions, references and addresses in the *rendered* text, so a backslash or an
entity before `@` does not help. What does is to break the word with a zero-width space. In code
blocks GitHub looks for none of these.
"""

from __future__ import annotations

import re

_BREAK = "\u200b"

#: @user and @org/team; #123 and owner/repo#123; GH-123; addresses; www hosts.
#: E-mail is covered by @.
_LIVE = re.compile(r"(?:@|#)(?=\w)|(?<=\bGH)-(?=\d)|://|(?<=\bwww)\.", re.IGNORECASE)

#: What GitHub-flavoured markdown makes a link of anywhere: addresses, www hosts, e-mail.
_LINKED = re.compile(r"://|(?<=\bwww)\.|@(?=\w)", re.IGNORECASE)

#: Commit ids; GitHub links those of seven digits and more, so none may stay in one piece.
_COMMIT = re.compile(r"\b[0-9a-f]{7,40}\b", re.IGNORECASE)
_PIECE = 6

#: What markdown reads anywhere; and what it reads only at the start of a line (lists,
#: headings, underlines).
_MARKDOWN = re.compile(r"([\\`*_\[\]|~<>&$])")
_AT_START = re.compile(r"^(\d*)([#+\-=.)!])")
_HTML = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def inert_text(text: str, most: int = 400) -> str:
    """One line of text that renders as itself: no markdown, no HTML, no mention, no
    reference, no link. Cut at `most`.
    """
    broken = _LIVE.sub(lambda found: found[0] + _BREAK, _one_line(text, most))
    broken = _COMMIT.sub(lambda found: _BREAK.join(re.findall(f".{{1,{_PIECE}}}", found[0])), broken)
    return _AT_START.sub(r"\1\\\2", _unmarked(broken))


def inert_cell(text: str, most: int) -> str:
    """The same for a cell of a table outside of GitHub: what only GitHub links stays whole, so
    that an id can be copied.
    """
    return _unmarked(_LINKED.sub(lambda found: found[0] + _BREAK, _one_line(text, most)))


def unlinked(text: str) -> str:
    """Text in which no chat room finds a link, an image or somebody to call."""
    return _LINKED.sub(lambda found: found[0] + _BREAK, text).replace("](", f"]{_BREAK}(")


def _one_line(text: str, most: int) -> str:
    flat = " ".join(visible_text(text).split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def _unmarked(text: str) -> str:
    return _MARKDOWN.sub(lambda found: _HTML.get(found[1], "\\" + found[1]), text)


def fenced(text: str, most_lines: int = 8, most: int = 700) -> str:
    """A code block that the text cannot leave: its fence is longer than any run of
    backticks in it. Cuts are marked.
    """
    lines = [visible_text(line).rstrip() for line in text.splitlines()]
    shown = lines[:most_lines]
    cut = "\n".join(shown)
    if len(cut) > most or len(lines) > most_lines:
        cut = cut[:most] + " …"
    longest = max((len(run) for run in re.findall(r"`+", cut)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{cut}\n{fence}"


def visible_text(text: str) -> str:
    """Without control characters, and without those that reorder or hide text."""
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)


def link(words: str, url: str) -> str:
    """A markdown link; just the words when the address is not plain http(s)
    (`failures.web_url` gives "" then).
    """
    if not url:
        return words
    return f"[{words}]({url.replace('(', '%28').replace(')', '%29')})"
