"""The shipped messages: each is well-formed, its examples behave wherever a log may hold them,
and it claims no more than it knows.
"""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from ci_metrics.catalogue import Message, load_catalogue
from ci_metrics.catalogue.engine import match_lines, raw_engine
from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.expressions import databases

CATALOGUE = load_catalogue()
FAMILIES = sorted({message.family for message in CATALOGUE.messages})
STAMP = "2026-05-01T10:11:12.1234567Z "
#: How a service hands on a line: GitHub's clock, a byte-order mark before it, colours, a carriage
#: return, the runner's mark.
DRESSES = (
    "{}",
    STAMP + "{}",
    "\ufeff" + STAMP + "{}",
    STAMP + "\x1b[31m{}\x1b[0m",
    "\x1b[1m\x1b[31m{}\x1b[0m",
    STAMP + "{}\r",
    STAMP + "##[error]{}",
)
#: What relays another program's output, as people still see it on a clean line.
RELAYS = ("{}", "##[error]{}", "#12 3.456 {}", "web-1  | {}", "2026-05-01 10:11:12 {}", "[10:11:12] {}")
#: Words of headlines that name a tool, with what shows in a line that it is at work.
TOOLS = {
    "pytest": "pytest|\\.py|^E |={3}|_{3}|fixture|collect",
    "npm": "npm",
    "pnpm": "pnpm",
    "Yarn": "yarn|YN\\d",
    "pip": "pip",
    "Docker": "docker|buildx|manifest|container|image",
    "Terraform": "terraform|\\.tf\\b",
    "Gradle": "gradle|> Task|:\\w+",
    "Maven": "maven|\\[ERROR\\]|pom",
    "Bazel": "bazel|//",
    "Helm": "helm|chart",
    "Ansible": "ansible|fatal: \\[|TASK|PLAY",
    "Homebrew": "brew",
    "Nix": "nix",
    "CodeQL": "codeql",
    "Cargo": "cargo|crate",
    "Composer": "composer",
    "Poetry": "poetry",
    "Bundler": "bundler|gem",
    "NuGet": "nuget|NU\\d",
    ".NET": "dotnet|\\.NET|MSB|NETSDK|CS\\d",
    "R packages": "\\bR CMD|CRAN|‘",
    "Dependabot": "dependabot|_update_|updater",
    "ESLint": "eslint|✖|problem|no-",
    "mypy": "mypy|error:",
    "Kubernetes": "kube|pod|deployment|namespace",
    "Jest": "jest|●|Tests:|FAIL",
}


def weighted(family: str) -> list[tuple[int, Message]]:
    return [
        (number, message)
        for number, message in enumerate(CATALOGUE.messages)
        if message.family == family and message.weight > 0 and message.subject == "line"
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_message_fires_on_its_examples_and_is_silent_on_the_others(family: str) -> None:
    wrong = []
    for number, message in enumerate(CATALOGUE.messages):
        if message.family == family:
            for texts, expected in ((message.fires, True), (message.silent, False)):
                hits = match_lines(CATALOGUE, texts, message.subject)
                wrong += [
                    (message.id, text) for text, hit in zip(texts, hits, strict=True) if (number in hit) is not expected
                ]
    assert wrong == []


@pytest.mark.parametrize("family", FAMILIES)
def test_what_relays_a_tools_words_does_not_hide_a_message(family: str) -> None:
    hidden = []
    for number, message in enumerate(CATALOGUE.messages):
        if message.family == family and message.subject == "line":
            bare = [
                text for text in message.fires if not text.startswith((" ", "\t", "##["))
            ]  # those are dressed already
            dressed = [relay.format(text) for text in bare for relay in RELAYS]
            hits = match_lines(CATALOGUE, dressed)
            hidden += [(message.id, text) for text, hit in zip(dressed, hits, strict=True) if number not in hit]
    assert hidden == []


@pytest.mark.parametrize("family", FAMILIES)
def test_in_the_raw_log_clocks_colours_and_marks_do_not_hide_a_message_that_has_weight(family: str) -> None:
    mine = weighted(family)
    if not mine:
        pytest.skip("no message of this family has weight")
    engine = raw_engine(CATALOGUE, [number for number, _ in mine])
    hidden, loud = [], []
    for number, message in mine:
        for text in message.fires:
            for dress in DRESSES:
                if number not in scanned(engine, dress.format(text)):
                    hidden.append((message.id, dress.format(text)))
        loud += [(message.id, text) for text in message.silent if number in scanned(engine, text)]
    assert hidden == []
    assert loud == []


def scanned(engine: object, text: str) -> set[int]:
    found: set[int] = set()
    data = f"one line above\n{text}\none line below\n".encode()
    databases.scan(engine, data, lambda number, *_: found.add(number))
    return found


@pytest.mark.parametrize(
    "above", ["x" * 40, "=" * 30 + " test session starts", "1 of 12, 3 skipped and 1234567 lines", "a b " * 20]
)
def test_in_the_raw_log_a_message_is_found_whatever_stands_above_it(above: str) -> None:
    """The engine once lost matches at the starts of lines below certain
    others; see `engine.translated`.
    """
    mine = [each for family in FAMILIES for each in weighted(family)]
    engine = raw_engine(CATALOGUE, [number for number, _ in mine])
    lost = [
        (message.id, text)
        for number, message in mine
        for text in message.fires
        if number not in scanned(engine, f"{above}\n{text}")
    ]
    assert lost == []


def test_all_messages_at_once_find_on_a_line_what_each_alone_finds() -> None:
    lines = [text for message in CATALOGUE.messages if message.subject == "line" for text in message.fires[:1]]
    together = match_lines(CATALOGUE, lines)
    assert [match_lines(CATALOGUE, [line])[0] for line in lines] == together


def test_the_engine_takes_every_form_as_the_raw_log_and_as_people_see_it() -> None:
    assert raw_engine(CATALOGUE, range(len(CATALOGUE.messages)))
    for subject in ("line", "command", "step"):
        assert match_lines(CATALOGUE, ["zork"], subject) == [()]


def test_ids_are_unique_and_none_is_a_familys_name() -> None:
    ids = [message.id for message in CATALOGUE.messages]
    assert len(ids) == len(set(ids))
    assert not set(ids) & set(FAMILIES), "a taxonomy claims messages by either"


def data_files() -> list[str]:
    folder = files("ci_metrics.catalogue").joinpath("data")
    return [entry.read_text(encoding="utf-8") for entry in folder.iterdir() if entry.name.endswith(".toml")]


def test_the_catalogue_stays_small_enough_to_read() -> None:
    assert 300 <= len(CATALOGUE.messages) <= 480
    assert sum(text.count("\n") for text in data_files()) <= 5_000


def test_every_category_has_messages_that_speak_for_it_and_every_message_speaks_for_one_of_them() -> None:
    assert {message.category for message in CATALOGUE.messages} - {""} == set(load_taxonomy(None).names)


def test_a_message_that_speaks_for_a_category_can_be_said_in_words() -> None:
    told = [message for message in CATALOGUE.messages if message.category]
    assert [m.id for m in told if not m.headline or m.headline.endswith((".", ":", " "))] == []
    assert [m.id for m in told if m.fix and not m.fix.endswith((".", "`", "…"))] == []


@pytest.mark.parametrize("name", TOOLS)
def test_a_headline_names_a_tool_only_where_the_line_shows_it_or_a_second_sign_is_asked_for(name: str) -> None:
    said = [m for m in CATALOGUE.messages if re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", m.headline)]
    unsure = [
        (m.id, m.headline, text)
        for m in said
        if m.tool != name and m.subject == "line"
        for text in m.fires
        if not re.search(TOOLS[name], text, re.IGNORECASE)
    ]
    assert unsure == []
