"""Whose a failure is, by CODEOWNERS as GitHub reads it and by a team's own mapping."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
from codeowners import CodeOwners

from ci_metrics.errors import SettingsError
from ci_metrics.history.job_documents import merged_body
from ci_metrics.history.owners import CodeOwnersFile, Owners, answering, read_owners_file
from ci_metrics.index.document_index import Document
from ci_metrics_tests.history.history_documents import job, step_of

FILE = """\
# Everything else is the maintainers'.
*            @acme/maintainers
*.js         @jane #no @bob here
/docs/       docs@example.com
apps/*       @acme/apps
/src/pay/**  @acme/pay @jane
/src/pay/vendored/
nonsense     somebody
[broken      @acme/x
!negated     @acme/x
"""


@pytest.mark.parametrize(
    ("path", "owners"),
    [
        ("README.md", ("@acme/maintainers",)),
        ("src/cart.js", ("@jane",)),  # the last that fits; the comment names nobody
        ("docs/a/b.md", ("docs@example.com",)),
        ("lib/docs/b.md", ("@acme/maintainers",)),  # anchored
        ("apps/shop.py", ("@acme/apps",)),
        ("apps/shop/x.py", ("@acme/maintainers",)),  # a star is no folder
        ("src/pay/a/b.py", ("@acme/pay", "@jane")),
        ("src/pay/vendored/x.py", ()),  # nobody's, and said so
        ("nonsense", ("@acme/maintainers",)),  # GitHub skips a line that it cannot read
        ("", ()),
    ],
)
def test_the_last_pattern_that_fits_decides_as_on_github(path: str, owners: tuple[str, ...]) -> None:
    assert CodeOwnersFile(FILE).of(path) == owners


def test_who_owns_everything_owns_a_file_that_nobody_knows() -> None:
    assert CodeOwnersFile("* @acme/all\n/src/ @acme/all\n").of("") == ("@acme/all",)
    assert CodeOwnersFile("* @acme/all\n/src/ @acme/src\n").of("") == ()
    assert CodeOwnersFile("/src/ @acme/src\n").of("") == ()
    assert CodeOwnersFile("").of("src/x.py") == ()


def test_a_hostile_file_costs_no_time_and_breaks_nothing() -> None:
    text = "\n".join(["*" * 200 + "x @a", "a*" * 50 + "b @a", "[[[ @a", "/ @a", "\\ @a", "ok/ @good"])
    assert CodeOwnersFile(text).of("ok/" + "a" * 200) == ("@good",)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a*a*a*a*a*a", "a" * 1_900 + "b/x.py"),
        ("*a*a*a*a", "a" * 254 + "b"),
        ("/*a*a/*a*a/*a*a", "/".join(["a" * 80] * 3) + "b"),
        ("/**/a/**/a/**/b", "a/" * 120 + "c"),
    ],
)
def test_a_path_of_a_hostile_log_is_tried_in_no_time(pattern: str, path: str) -> None:
    file = CodeOwnersFile(f"{pattern} @a")
    begin = time.perf_counter()
    assert file.of(path) in ((), ("@a",))
    assert time.perf_counter() - begin < 1


@pytest.mark.parametrize("pattern", ["/apps/*/src/**/*.test.*", "**/*_*_test.py", "/a/**/b/**/*.py"])
def test_patterns_as_people_write_them_are_read(pattern: str) -> None:
    paths = ("apps/shop/src/x/cart.test.js", "a/x/y_z_test.py", "a/x/b/c/d.py")
    assert [CodeOwnersFile(f"{pattern} @a").of(path) for path in paths].count(("@a",)) == 1


def test_rules_that_are_tried_once_say_what_the_library_says() -> None:
    chance = random.Random(7)
    for _ in range(2_000):
        pattern = "".join(chance.choice(["a", "b.", "*", "*", "?", "/"]) for _ in range(chance.randint(1, 7)))
        path = "".join(chance.choice(["a", "b.", "/"]) for _ in range(chance.randint(1, 9))).strip("/")
        if pattern.strip("/") and pattern.count("**") <= 3 and path:
            assert CodeOwnersFile(f"{pattern} @a").of(path) == tuple(n for _, n in CodeOwners(f"{pattern} @a").of(path))


def failed(**fields: Any) -> Document:
    return job(1, fingerprint="f1-a", **{"s_error_path": "src/pay/a.py", **fields})


def said(document: Document, owners: Owners) -> tuple[Any, Any]:
    (made,) = merged_body([document], answering([document], owners))
    return made.body.get("s_error_domain"), made.body.get("s_owner")


def test_documents_name_the_owner_of_the_file_and_nobody_where_that_is_unknown() -> None:
    owners = Owners(files={"acme/shop": CodeOwnersFile(FILE)})
    assert said(failed(), owners) == ("code", ["@acme/pay", "@jane"])
    assert said(step_of(failed()), owners) == ("code", ["@acme/pay", "@jane"])
    assert said(failed(s_error_path=""), owners) == ("code", None)
    assert said(failed(repo="acme/other"), owners) == ("code", None)
    assert said(failed(type="network_error"), owners) == ("platform", None)  # no file of theirs is at fault
    assert said(job(2, status="success"), owners) == (None, None)


def test_a_document_that_named_another_owner_before_is_brought_up_to_date() -> None:
    old = failed(s_owner=["@gone"], s_error_domain="platform", s_error_path="")
    assert said(old, Owners()) == ("code", None)


def test_a_teams_own_mapping_decides_over_codeowners_its_last_entry_first(tmp_path: Path) -> None:
    path = tmp_path / "owners.toml"
    path.write_text(
        """
        [[owner]]
        domain = "platform"
        owners = ["@acme/platform"]
        [[owner]]
        repo = "acme/*"
        path = "/src/pay/"
        owners = ["@acme/ledger"]
        [[owner]]
        job = "deploy*"
        workflow = "ci"
        owners = []
        """
    )
    owners = Owners(files={"acme/shop": CodeOwnersFile(FILE)}, entries=read_owners_file(path))
    assert said(failed(), owners) == ("code", ["@acme/ledger"])
    assert said(failed(type="network_error", s_error_path=""), owners) == ("platform", ["@acme/platform"])
    assert said(failed(name="Deploy (eu)"), owners) == ("code", None)
    assert said(failed(s_error_path="src/cart.js"), owners) == ("code", ["@jane"])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[owner", "TOML"),
        ("[[owner]]\npath = 'x'", "owners"),
        ("[[owner]]\nowners = ['@a']\nbranch = 'x'", "branch"),
        ("[[owners]]\nowners = ['@a']", "owners"),
        ("[[owner]]\nowners = ['@a']\npath = 'src/['", "path: .*src/\\[.* is no pattern"),
        ("[[owner]]\nowners = ['@a']\npath = '/'", "path: .*“/” is no pattern"),
        ("[[owner]]\nowners = ['@a']\npath = 'my folder/*'", "path: .*is no pattern"),
        ("[[owner]]\nowners = ['@\xfc']", "TOML"),
    ],
)
def test_a_wrong_mapping_is_one_message_that_says_what_to_write(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "owners.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match=why) as wrong:
        read_owners_file(path)
    assert "OWNERS_FILE" in str(wrong.value)
