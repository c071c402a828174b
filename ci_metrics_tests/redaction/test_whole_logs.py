"""A whole log is masked block by block as it would be in one piece, line for line, in time
that is linear in its size.
"""

from __future__ import annotations

import random
import time

import hyperscan
import pytest

from ci_metrics.logs import extract
from ci_metrics.redaction import MASK, Care, Masker, finder, redact
from ci_metrics_tests.redaction.leaks import COMMON, LEAKS, example, filled
from ci_metrics_tests.redaction.lookalikes import LOOKALIKES
from ci_metrics_tests.redaction.test_masking import leaked

NOISE = b"2031-01-01T00:00:00.1234567Z Compiling module %d of 900\n"


def log_of(rng: random.Random) -> tuple[bytes, list[str]]:
    """A log with one secret of each common kind among other lines, and the secrets."""
    parts: list[bytes] = []
    secrets: list[str] = []
    for template in COMMON.values():
        text, new = example(template, rng)
        secrets += new
        parts += (NOISE % rng.randrange(900), text.encode() + b"\n")
    return b"".join(parts), secrets


def test_blocks_are_masked_as_the_whole_is() -> None:
    rng = random.Random(11)
    log, secrets = log_of(rng)
    whole = Masker().masked(log)
    assert leaked(whole.decode(), secrets) == []
    lines = log.splitlines(keepends=True)
    for _ in range(20):
        masker = Masker()
        cuts = sorted(rng.choices(range(len(lines)), k=4))
        blocks = [
            "".join(map(bytes.decode, lines[a:b])).encode() for a, b in zip([0, *cuts], [*cuts, None], strict=True)
        ]
        assert b"".join(masker.masked(block) for block in blocks) == whole


def test_lines_keep_their_numbers_and_innocent_ones_their_bytes() -> None:
    log, _ = log_of(random.Random(12))
    masked = Masker().masked(log)
    before, after = log.split(b"\n"), masked.split(b"\n")
    assert len(before) == len(after)
    assert all(new == old or MASK.encode() in new for old, new in zip(before, after, strict=True))


def test_a_log_without_secrets_is_the_same_object() -> None:
    log = NOISE % 1 * 1_000
    assert Masker().masked(log) is log


def test_spans_are_what_is_masked() -> None:
    log, _ = log_of(random.Random(13))
    masker = Masker()
    spans = masker.spans(log)
    assert spans == sorted(spans) and all(start < end for start, end in spans)
    assert all(b"\n" not in log[start:end] for start, end in spans)
    assert masker.count >= len(COMMON)


@pytest.mark.parametrize("kind", ["private key", "OpenSSH private key"])
def test_across_lines_alone_finds_what_runs_over_several(kind: str) -> None:
    text, secrets = example(COMMON[kind], random.Random(14))
    masked = Masker(Care.ACROSS).masked(text.encode()).decode()
    assert leaked(masked, secrets) == []
    assert Masker(Care.ACROSS).masked(b"DB_PASSWORD=" + b"hunter" + b"22x\n") == b"DB_PASSWORD=hunter22x\n"


@pytest.mark.parametrize(
    "text", ["token%" + "25" * 20_000 + "3Dabc", "\\" * 20_000 + '"token\\n', "password:" + "[" * 20_000]
)
def test_encodings_without_end_end(text: str) -> None:
    masked, _ = redact(text)
    assert redact(masked) == (masked, 0)


def test_bytes_that_are_no_text_stay() -> None:
    raw = b"\xff\xfe\x80 password=\x80\x81hunter22x\xff end\n\xc3"
    masked = Masker().masked(raw)
    assert masked == b"\xff\xfe\x80 password=" + MASK.encode() + b" end\n\xc3"


def test_an_excerpt_its_lines_and_its_headlines_hold_no_secret() -> None:
    token, password = "ghp_" + "a1B2c3D4e5" * 4, "s3cr3t" + "Pw"
    log = f"make test\nfatal: unable to access https://bot:{password}@git.example/a.git\nerror: {token} was refused\n".encode()
    found = extract(log)
    assert token not in repr(found) and password not in repr(found)
    assert found.redactions == 2
    assert [line.number for line in found.lines] == [1, 2, 3]


def note_match(_id: int, _from: int, to: int, _flags: int, seen: object) -> None:
    """What Hyperscan calls for each match."""
    assert isinstance(seen, list)
    seen.append(to)


def test_together_the_marks_find_what_each_finds_alone() -> None:
    """The engine has lost matches of marks that begin with a repeat when it
    held others that begin alike.
    """
    rng = random.Random(5)
    texts = [example(template, rng)[0] for template in LEAKS.values()] + [filled(text, rng) for text in LOOKALIKES]
    data = [
        (before + text).encode() + b"\n"
        for text in texts
        for before in ("", "2031-01-01T00:00:00.1234567Z ", "x" * 300 + " ")
    ]
    together = [{entry for _, entry in finder.matches(line, Care.TEXT)} for line in data]
    for number, entry in enumerate(finder.ENTRIES):
        for mark in entry.marks:
            alone = hyperscan.Database()
            flags = hyperscan.HS_FLAG_CASELESS if entry.caseless else 0
            alone.compile(expressions=[mark.encode("latin-1")], ids=[number], elements=1, flags=[flags])
            for line, found in zip(data, together, strict=True):
                seen: list[int] = []
                alone.scan(line, match_event_handler=note_match, context=seen)
                assert not seen or number in found, (mark, line[:200])


@pytest.mark.parametrize(
    "line",
    [
        b"password=",
        b"token=abc ",
        b'password="',
        b"password:\n",
        b"password: |\n",
        b"curl -u a:",
        b"http://a:b@",
        b"-----BEGIN RSA PRIVATE KEY-----",
        b"-----BEGIN RSA PRIVATE KEY-----\nError\n",
        b"-----END RSA PRIVATE KEY-----\n",
        b"kind: Secret\n",
        b"password%3D",
        b"cGFzc3dvcmQ9",
        b"\x1b[31mtoken\x1b[0m=\x1b[32m",
        b"Cookie: a=b; ",
        b'"-p", "x", ',
        b"password=\\",
    ],
)
def test_lines_made_to_be_slow_cost_what_their_size_costs(line: bytes) -> None:
    Masker().masked(line)  # the engine is compiled

    def seconds(size: int) -> float:
        data = line * (size // len(line))
        before = time.process_time()
        Masker().masked(data)
        return time.process_time() - before

    # The least of three: whatever else the machine does is not the line's cost.
    small, large = (min(seconds(size) for _ in range(3)) for size in (60_000, 240_000))
    assert large < 0.3 + 9 * small  # four times the size: four times the time, with room for a busy machine
