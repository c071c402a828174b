"""Logs in UTF-16 and UTF-32 are read as the same log in UTF-8 is, secrets masked."""

from __future__ import annotations

import io

import pytest

from ci_metrics.logs import extract
from ci_metrics.logs.encodings import encoding_of, in_utf8
from ci_metrics_tests.job_logs import failing

LOG = failing("connecting with password=Tr0ub4dor&3x9 to db", "cart.c:12:1: error: unknown type name 'prix_€'")
ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("as_stream", [False, True], ids=["bytes", "stream"])
def test_a_log_in_another_encoding_gives_the_same_errors_lines_and_masks(encoding: str, as_stream: bool) -> None:
    data = LOG.decode().encode(encoding)
    found, expected = extract(io.BytesIO(data) if as_stream else data), extract(LOG)
    assert expected.errors and "Tr0ub4dor" not in expected.excerpt
    assert (found.errors, found.excerpt, found.total_lines) == (expected.errors, expected.excerpt, expected.total_lines)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32-le"])
def test_a_nul_behind_the_mark_of_utf_16_makes_it_no_utf_32(encoding: str) -> None:
    data = ("\ufeff\0" + LOG.decode()).encode(encoding)
    assert encoding_of(data) == encoding.removesuffix("-le")
    assert extract(data).errors == extract(LOG).errors


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("size", [5, 64, 1_000])
def test_characters_that_two_chunks_share_are_whole(encoding: str, size: int) -> None:
    text = "Ünïcode line → 𝟙\n" * 90
    data = text.encode(encoding)
    first = max(size, 64)  # what is looked at stands in the first chunk
    chunks = [data[:first], *(data[at : at + size] for at in range(first, len(data), size))]
    assert b"".join(in_utf8(chunks)).decode() == text


@pytest.mark.parametrize(
    "beginning",
    [b"", b"\0", LOG, b"\xef\xbb\xbf" + LOG, b"core dump:" + b"\0" * 40, "日本語のログ\n".encode() * 30, b"\xff" * 64],
)
def test_anything_else_stays_as_it_is(beginning: bytes) -> None:
    assert encoding_of(beginning) is None
    assert b"".join(in_utf8([beginning])) == beginning


@pytest.mark.parametrize("last", [b"##[error]", b"##[error]\n"])
def test_a_stream_gives_what_the_whole_log_gives(last: bytes) -> None:
    log = b"##[group]Run pytest\n" + last
    assert extract(io.BytesIO(log)) == extract(log)
