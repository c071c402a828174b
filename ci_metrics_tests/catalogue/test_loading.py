"""A catalogue's files: what is wrong with one is said in words that help, a team's own replace
shipped messages, versions follow.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ci_metrics.catalogue import Catalogue, load_catalogue
from ci_metrics.catalogue.engine import match_lines, raw_engine, refused
from ci_metrics.errors import ContractError

FRAME = 'family = "ours"\n'
ENTRY = """
[[message]]
id = "ours-broken"
form = '^frobnicator: broken'
role = "cause"
category = "runtime_error"
weight = 8
headline = "The frobnicator broke"
fires = ["frobnicator: broken beyond repair"]
"""
SHIPPED = load_catalogue()


def folder_of(path: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (path / f"{name}.toml").write_text(text, encoding="utf-8")
    return path


#: What is wrong -> the file's text, and what the error must say besides the file's name.
FAULTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "no TOML": ("family = [", ("is not TOML",)),
    "no text": ("\udcff", ("is not TOML",)),
    "no family": (ENTRY, ("family", "required")),
    "no message": (FRAME, ("message", "required")),
    "messages that are no tables": (FRAME + "message = [1]\n", ("number 1",)),
    "an unknown key of the file": ('title = "x"\n' + FRAME + ENTRY, ("title",)),
    "an unknown key of an entry": (FRAME + ENTRY + "priority = 90\n", ("'ours-broken'", "priority")),
    "no form": (FRAME + ENTRY.replace("form =", "#"), ("'ours-broken'", "form", "required")),
    "an empty form": (FRAME + ENTRY.replace("'^frobnicator: broken'", "''"), ("'ours-broken'", "form")),
    "no id": (FRAME + ENTRY.replace("id =", "#"), ("number 1", "id", "required")),
    "an id with blanks": (FRAME + ENTRY.replace("ours-broken", "Ours Broken"), ("id", "Ours Broken")),
    "an unknown role": (
        FRAME + ENTRY.replace('"cause"', '"reason"'),
        ("'ours-broken'", "role", "reason", "allowed are cause, test"),
    ),
    "a weight above the scale": (FRAME + ENTRY.replace("weight = 8", "weight = 80"), ("'ours-broken'", "weight", "80")),
    "a weight in words": (FRAME + ENTRY.replace("weight = 8", 'weight = "8"'), ("'ours-broken'", "weight", "'8'")),
    "no example": (FRAME + ENTRY.replace("fires =", "silent ="), ("'ours-broken'", "fires", "required")),
    "examples that are one text": (
        FRAME + ENTRY.replace('["frobnicator: broken beyond repair"]', '"frobnicator: broken"'),
        ("'ours-broken'", "fires"),
    ),
    "an id twice": (FRAME + ENTRY + ENTRY, ("'ours-broken'", "twice")),
    "the second of two": (
        FRAME + ENTRY + ENTRY.replace('broken"', 'gone"', 1).replace('"cause"', '"reason"'),
        ("'ours-gone'", "role"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_file_is_refused_by_its_name_the_entry_and_what_is_wrong(fault: str, tmp_path: Path) -> None:
    text, says = FAULTS[fault]
    (tmp_path / "ours.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ContractError) as refused_:
        load_catalogue(tmp_path)
    for words in (str(tmp_path / "ours.toml"), *says):
        assert words in str(refused_.value)


#: What an automaton does not take -> the form.
REFUSED = {
    "a back reference": r"(a)\1",
    "look-ahead": "(?=b)a",
    "look-behind": "(?<!b)a",
    "a bracket left open": "a(b",
    "what matches nothing at all": "x*",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_form_that_the_engine_does_not_take_is_refused_with_the_entry_and_the_form(kind: str) -> None:
    message = replace(SHIPPED.messages[0], id="ours-broken", form=REFUSED[kind])
    own = Catalogue((*SHIPPED.messages[:3], message))
    assert repr(REFUSED[kind]) in refused(message)
    for used in (lambda: raw_engine(own, range(4)), lambda: match_lines(own, ["zork"], message.subject)):
        with pytest.raises(ContractError) as error:
            used()
        assert "'ours-broken'" in str(error.value) and repr(REFUSED[kind]) in str(error.value)


def test_the_same_id_in_two_files_names_both(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, one=FRAME + ENTRY, two=FRAME + ENTRY)
    with pytest.raises(ContractError, match=r"two\.toml.*'ours-broken'.*one\.toml"):
        load_catalogue(folder)


def test_a_folder_that_is_none_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"CATALOGUE_DIR.*missing.*\*\.toml"):
        load_catalogue(tmp_path / "missing")


def test_a_teams_messages_are_added_and_found_and_the_shipped_ones_stay(tmp_path: Path) -> None:
    own = load_catalogue(folder_of(tmp_path, ours=FRAME + ENTRY))
    assert len(own.messages) == len(SHIPPED.messages) + 1
    assert own.by_id["ours-broken"].family == "ours"
    alone = Catalogue((own.by_id["ours-broken"],))
    assert match_lines(alone, ["frobnicator: broken twice", "frobnicator: fine"]) == [(0,), ()]


def test_a_teams_message_replaces_the_shipped_one_of_its_id(tmp_path: Path) -> None:
    given = SHIPPED.by_id["pytest-failed"]
    text = FRAME + ENTRY.replace("ours-broken", given.id)
    own = load_catalogue(folder_of(tmp_path, ours=text))
    assert [message.id for message in own.messages] == [message.id for message in SHIPPED.messages]
    assert (own.by_id[given.id].form, own.by_id[given.id].category) == ("^frobnicator: broken", "runtime_error")
    alone = Catalogue((own.by_id[given.id],))
    assert match_lines(alone, [given.fires[0], "frobnicator: broken"]) == [(), (0,)]


def test_what_a_file_says_for_all_holds_where_an_entry_says_nothing(tmp_path: Path) -> None:
    head = FRAME + 'tool = "Frobnicator"\nprinted_by = "frobnicate 3"\ntags = ["policy"]\n'
    other = ENTRY.replace("ours-broken", "ours-other") + 'tool = "Other"\ntags = ["lint"]\n'
    own = load_catalogue(folder_of(tmp_path, ours=head + ENTRY + other)).by_id
    assert (own["ours-broken"].tool, own["ours-broken"].printed_by) == ("Frobnicator", "frobnicate 3")
    assert own["ours-broken"].names == ("ours-broken", "ours", "policy")
    assert (own["ours-other"].tool, own["ours-other"].tags) == ("Other", ("policy", "lint"))


#: What decides a result, with another value of it.
DECIDES: dict[str, object] = {
    "form": "^FAILED!", "role": "detail", "category": "timeout", "headline": "Something else", "fix": "Do nothing.", "weight": 1.5,
    "ignore_case": True, "opens": True, "closes": True, "tags": ("policy",), "subject": "step", "id": "pytest-fails",
}  # fmt: skip
#: What only tells people of a message.
TOLD: dict[str, object] = {"fires": ("x",), "silent": ("y",), "printed_by": "nobody"}


def changed(**values: object) -> Catalogue:
    return Catalogue(tuple(replace(m, **values) if m.id == "pytest-failed" else m for m in SHIPPED.messages))  # type: ignore[arg-type]


@pytest.mark.parametrize("field", DECIDES)
def test_another_value_of_what_decides_is_another_version(field: str) -> None:
    assert changed(**{field: DECIDES[field]}).version != SHIPPED.version


@pytest.mark.parametrize("field", TOLD)
def test_examples_and_remarks_are_no_other_version(field: str) -> None:
    assert changed(**{field: TOLD[field]}).version == SHIPPED.version
