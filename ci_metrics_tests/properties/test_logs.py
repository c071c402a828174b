"""Of any log at all: it is read, lines are where they are said to be, secrets are masked,
errors keep their identity.
"""

from __future__ import annotations

import io
import re
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from ci_metrics.logs import extract, fingerprint
from ci_metrics.logs.encodings import encoding_of
from ci_metrics.redaction import MASK, Masker, redact
from ci_metrics_tests.properties.texts import LINES, LOGS, RARE_SECRETS, SECRETS, TEXTS
from ci_metrics_tests.redaction.test_masking import leaked

_MOMENTS = st.datetimes(datetime(2015, 1, 1), datetime(2099, 1, 1))


@given(LOGS)
def test_any_log_is_read_and_what_is_said_of_it_stands_in_it(log: bytes) -> None:
    found = extract(log)
    assert extract(io.BytesIO(log)) == found
    if encoding_of(log) is not None:
        return  # counted in its characters, not its bytes
    lines = log.split(b"\n")
    count = len(lines) - (lines[-1] == b"")
    assert found.total_lines in (count, max(count, 1))
    numbers = [line.number for line in found.lines]
    assert numbers == sorted(set(numbers)) and all(1 <= number <= count for number in numbers)
    shown = set(numbers)
    for error in found.errors:
        assert error.line is None or error.line in shown
        assert re.fullmatch(r"f[0-9a-f]+-[0-9a-f]{16}", error.fingerprint)
    assert all(1 <= first <= last <= count for first, last in found.spans)


@given(LOGS)
def test_what_is_kept_of_a_log_is_masked_once_and_for_all(log: bytes) -> None:
    excerpt = extract(log).excerpt
    assert redact(excerpt) == (excerpt, 0)


@given(TEXTS, st.sampled_from(("utf-16", "utf-32")))
def test_a_log_says_the_same_in_every_encoding(text: str, encoding: str) -> None:
    found, expected = extract(text.encode(encoding)), extract(text.encode())
    assert (found.errors, found.excerpt) == (expected.errors, expected.excerpt)


@given(TEXTS, RARE_SECRETS, TEXTS)
def test_masking_twice_changes_nothing_and_keeps_every_line(
    before: str, secret: tuple[str, list[str]], after: str
) -> None:
    text = f"{before}{secret[0]}{after}"
    once, _ = redact(text)
    assert redact(once) == (once, 0)
    assert once.count("\n") == text.count("\n")


@given(st.lists(LINES, max_size=8), SECRETS, st.lists(LINES, max_size=8), st.data())
def test_no_cut_of_a_masked_text_reveals_and_masking_it_again_changes_nothing(
    before: list[str], secret: tuple[str, list[str]], after: list[str], data: st.DataObject
) -> None:
    # What stands before may begin a value or a block of its own, which the secret then belongs to:
    # it is masked all the more.
    text = "\n".join([*before, secret[0], *after])
    masked, _ = redact(text)
    assert leaked(masked, secret[1]) == []
    first = data.draw(st.integers(0, len(masked)))
    last = data.draw(st.integers(first, len(masked)))
    cut, _ = redact(masked[first:last])
    assert leaked(cut, secret[1]) == []


@given(st.lists(LINES, min_size=1, max_size=12), RARE_SECRETS, st.data())
def test_blocks_are_masked_as_the_whole_is(
    lines: list[str], secret: tuple[str, list[str]], data: st.DataObject
) -> None:
    log = ("\n".join([*lines, secret[0], *lines]) + "\n").encode()
    cut = log.find(b"\n", data.draw(st.integers(0, len(log) - 1))) + 1
    masker = Masker()
    assert masker.masked(log[:cut]) + masker.masked(log[cut:]) == Masker().masked(log)


@given(LINES, st.lists(LINES, max_size=5))
def test_any_line_has_an_identity_that_is_always_the_same(headline: str, lines: list[str]) -> None:
    mark = fingerprint.of(headline, lines)
    assert mark == fingerprint.of(headline, list(lines))
    assert re.fullmatch(r"f[0-9a-f]+-[0-9a-f]{16}", mark.fingerprint)
    assert re.fullmatch(r"g[0-9a-f]+-[0-9a-f]{16}", mark.group)


@given(
    st.sampled_from(
        (
            "FAILED tests/test_basket.py::test_total - took {0}.{1} s",
            "ERROR: failed to solve: process {2} did not complete",
            "error: container {2} exited",
            "{3} build of widget failed",
        )
    ),
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9), st.uuids(), _MOMENTS), min_size=2, max_size=2),
)
def test_what_differs_from_run_to_run_is_no_part_of_an_identity(
    template: str, values: list[tuple[object, ...]]
) -> None:
    texts = [
        template.format(*(each if n < 3 else f"{each:%Y-%m-%dT%H:%M:%SZ}" for n, each in enumerate(v))) for v in values
    ]
    one, other = (fingerprint.of(text, [text]) for text in texts)
    assert (one.fingerprint, one.group) == (other.fingerprint, other.group)


def test_the_mask_is_never_taken_for_a_secret() -> None:
    assert redact(f"password={MASK}") == (f"password={MASK}", 0)
