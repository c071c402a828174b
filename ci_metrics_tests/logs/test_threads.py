"""Several threads may extract and redact at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ci_metrics.logs import extract, redact

LOG = b"make test\n" * 2000 + b"a.c:3:1: error: unknown type name 'x'\nDB_PASSWORD=c0rrect-h0rse\n" * 20
LINES = "\n".join(["DB_PASSWORD=c0rrect-h0rse", *("all is well",) * 2000])


def test_threads_do_not_disturb_each_other() -> None:
    with ThreadPoolExecutor(4) as pool:
        extracted = list(pool.map(extract, [LOG] * 40))
        redacted = list(pool.map(redact, [LINES] * 40))
    assert extracted == [extract(LOG)] * 40
    assert redacted == [redact(LINES)] * 40
    assert redacted[0][1] == 1
