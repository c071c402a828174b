"""JUnit XML reports, of friends and of others."""

from __future__ import annotations

import io
import json
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ci_metrics.catalogue import load_catalogue
from ci_metrics.commands.classify_files import classify
from ci_metrics.errors import ContractError
from ci_metrics.logs.junit_report import MOST_ELEMENTS, extract_junit, failure_lines, is_junit, read_junit, reports_in

REPORT = """<?xml version="1.0" encoding="utf-8"?>
<!-- made by a tool -->
<testsuites><testsuite name="pytest" tests="4" failures="1" errors="1" skipped="1">
<testcase classname="tests.test_price" name="test_ok"><system-out>FAILED tests/test_x.py::test_y - no</system-out></testcase>
<testcase classname="tests.test_price" name="test_rounds[a &lt; b]"><failure message="assert 1 == 2">def test_rounds():
&gt;       assert total() == 2
E       AssertionError: assert 1 == 2

tests/test_price.py:5: AssertionError</failure></testcase>
<testsuite name="inner"><testcase classname="Cart" name="adds"><error message="boom
again" type="x"/></testcase></testsuite>
<testcase classname="tests.test_price" name="test_skip"><skipped/></testcase>
</testsuite></testsuites>
"""


def test_a_report_tells_how_many_passed_and_which_failed() -> None:
    report = read_junit(REPORT.encode(), "results.xml")
    assert (report.passed, report.skipped) == (1, 1)
    assert sorted(report.failed) == ["Cart.adds", "tests.test_price.test_rounds[a < b]"]


def test_what_failures_say_stands_on_the_files_own_lines() -> None:
    lines = failure_lines(REPORT)
    raw = REPORT.split("\n")
    assert len(lines) == len(raw)
    assert [(number, line) for number, line in enumerate(lines, 1) if line] == [
        (5, "def test_rounds():"),
        (6, ">       assert total() == 2"),
        (7, "E       AssertionError: assert 1 == 2"),
        (9, "tests/test_price.py:5: AssertionError"),
        (10, "boom again"),
    ]
    error = extract_junit(REPORT.encode(), "results.xml", load_catalogue()).errors[0]
    assert (error.line, error.headline) == (7, "E       AssertionError: assert 1 == 2")


@pytest.mark.parametrize("between", ["", "\n"])
def test_each_test_has_an_error_of_its_own_however_the_report_is_written(between: str) -> None:
    case = '<testcase classname="Cart" name="{}"><failure message="{}"/></testcase>'
    report = (
        '<testsuites><testsuite name="s">'
        + case.format("adds", "AssertionError: expected 3 to equal 4")
        + '<testcase classname="Cart" name="stays"/>'
        + between
        + case.format("pays", "TypeError: card.charge is not a function")
        + "</testsuite></testsuites>"
    )
    assert failure_lines(report) == [
        "AssertionError: expected 3 to equal 4", "TypeError: card.charge is not a function",
    ]  # fmt: skip
    errors = extract_junit(report.encode(), "results.xml", load_catalogue()).errors
    assert sorted((error.line or 0, error.headline) for error in errors) == [
        (1, "AssertionError: expected 3 to equal 4"), (2, "TypeError: card.charge is not a function"),
    ]  # fmt: skip


def test_classify_takes_a_report_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "results.xml"
    file.write_text(REPORT)
    classify(str(file), json_lines=True)
    row = json.loads(capsys.readouterr().out)
    assert (row["error_type"], row["state"]) == ("assertion_failure", "classified")
    assert sorted(row["failed_tests"]) == ["Cart.adds", "tests.test_price.test_rounds[a < b]"]
    classify(str(file))
    assert "Failed tests (2): " in capsys.readouterr().out


def test_a_report_without_failures_has_no_error() -> None:
    found = extract_junit(b"<testsuite><testcase name='a'/></testsuite>", "r.xml", load_catalogue())
    assert (found.state, found.failed_tests) == ("no_error_found", ())


def test_a_secret_in_a_name_is_masked() -> None:
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    report = read_junit(f"<testsuite><testcase name='get {token}'><error/></testcase></testsuite>".encode(), "r.xml")
    assert report.failed[0].startswith("get ") and token not in report.failed[0]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><testsuite name="&b;"/>', "declares a document type"),
        (
            '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE x><testsuite/>'.encode("utf-16"),
            "declares a document type",
        ),
        (b"<testsuite><testcase></testsuite>", "not well-formed"),
        (b"<testsuites><a></testsuites", "not well-formed"),
        (b"<html/>", "begins with <html>"),
        (b"<testsuite>" * 5_000 + b"</testsuite>" * 5_000, "nests suites deeper"),
        (b"<testsuite>" + b"<a/>" * MOST_ELEMENTS + b"</testsuite>", "more than 1,000,000 elements"),
    ],
)
def test_a_report_that_is_none_or_not_safe_is_one_message(data: bytes, said: str) -> None:
    with pytest.raises(ContractError, match=rf"^r\.xml: .*{said}"):
        read_junit(data, "r.xml")


def test_a_log_that_speaks_of_suites_is_no_report() -> None:
    assert is_junit(REPORT.encode())
    assert is_junit(b"\xef\xbb\xbf<testsuite name='a'>")
    assert not is_junit(b"2026-03-02T05:00:00.0000000Z <testsuite> was not written")
    assert not is_junit(b"<html><testsuite>")


@pytest.mark.parametrize("part", [b"<!---->", b"<!DOCTYPE a []>", b"<?a?>"])
def test_a_file_that_begins_with_many_comments_is_looked_at_in_no_time(part: bytes) -> None:
    begin = time.perf_counter()
    assert not is_junit(part * 400 + b"<html>")
    assert is_junit(part * 400 + b"<testsuite>")
    assert time.perf_counter() - begin < 1


def _archive(files: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", how) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def test_a_report_that_was_cut_off_does_not_keep_the_others_of_its_archive() -> None:
    cut_off = REPORT.encode()[:300]
    assert [r.passed for r in reports_in(_archive({"a.xml": cut_off, "b.xml": REPORT.encode()}), "artifact x")] == [1]
    with pytest.raises(ContractError, match=r"^artifact x: a\.xml: is not well-formed"):
        reports_in(_archive({"a.xml": cut_off}), "artifact x")


def _name_in_no_encoding(archive: bytearray) -> None:
    at = archive.rfind(b"PK\x01\x02")
    archive[at + 8 : at + 10], archive[at + 46] = struct.pack("<H", 0x800), 0xFF


def _other_bytes(archive: bytearray) -> None:
    archive[45:60] = bytes(each ^ 0x55 for each in archive[45:60])


def _directory_before_the_file(archive: bytearray) -> None:
    at = archive.rfind(b"PK\x05\x06")
    archive[at + 16 : at + 20] = struct.pack("<I", at + 5_000)


@pytest.mark.parametrize("how", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("damage", [_name_in_no_encoding, _other_bytes, _directory_before_the_file])
def test_an_archive_that_is_damaged_anyhow_is_one_message(damage: Callable[[bytearray], None], how: int) -> None:
    archive = bytearray(_archive({"a.xml": REPORT.encode() * 3}, how))
    damage(archive)
    with pytest.raises(ContractError, match=r"^artifact x: is no archive that can be read"):
        reports_in(bytes(archive), "artifact x")
