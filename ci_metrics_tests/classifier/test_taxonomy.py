"""The taxonomy file: the ten of the contract, a project's own, and
clear words for what is wrong.
"""

from importlib.resources import files
from pathlib import Path

import pytest

from ci_metrics.catalogue import load_catalogue
from ci_metrics.classifier.active_taxonomy import taxonomy_in_force
from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.errors import ContractError, SettingsError

THE_TEN = (
    "dependency_error",
    "timeout",
    "resource_exhaustion",
    "network_error",
    "assertion_failure",
    "compilation_error",
    "runtime_error",
    "infrastructure_error",
    "configuration_error",
    "flaky_test",
)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "taxonomy.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_default_taxonomy_is_the_ten_of_the_contract_in_its_order() -> None:
    assert load_taxonomy(None).names == THE_TEN


def test_every_default_category_says_what_it_is_decides_doubtful_cases_and_shows_examples() -> None:
    for category in load_taxonomy(None).categories:
        assert category.definition.endswith(".")
        assert category.decisions and category.examples and category.fix
        assert all(example.line and example.why for example in category.examples)


def test_the_shipped_example_splits_gates_off_and_keeps_the_ten_adding_up() -> None:
    example = files("ci_metrics.classifier").joinpath("taxonomies", "split_gates.toml")
    taxonomy = load_taxonomy(Path(str(example)))
    assert taxonomy.names == (*THE_TEN, "lint_failure", "policy_failure")
    assert {taxonomy.parent_of(name) for name in taxonomy.names} == set(THE_TEN)
    assert taxonomy.parent_of("lint_failure") == "assertion_failure"


def test_a_file_that_stands_alone_replaces_the_ten(tmp_path: Path) -> None:
    path = written(tmp_path, '[[category]]\nname = "ours"\ndefinition = "All."\n')
    assert load_taxonomy(path).names == ("ours",)


def test_a_category_named_again_replaces_the_default_one_in_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, 'extends = true\n[[category]]\nname = "timeout"\ndefinition = "Ours."\n')
    taxonomy = load_taxonomy(path)
    assert taxonomy.names == THE_TEN
    replaced = taxonomy.get("timeout")
    assert replaced is not None and replaced.definition == "Ours."


def test_the_version_changes_with_any_word_of_the_file_and_with_nothing_else(tmp_path: Path) -> None:
    text = '[[category]]\nname = "ours"\ndefinition = "All."\n'
    first = load_taxonomy(written(tmp_path, text)).version
    assert load_taxonomy(written(tmp_path, f"# a comment\n{text}")).version == first
    assert load_taxonomy(written(tmp_path, text.replace("All.", "Most."))).version != first


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no [[category]]"),
        ("extend = true", "did you mean “extends”"),
        ('extends = "yes"', "must be true or false"),
        ('category = "x"', "[[category]] tables"),
        ('[[category]]\nname = "Bad Name"\ndefinition = "x"', "lower-case"),
        ('[[category]]\nname = "unknown"\ndefinition = "x"', "name of a state"),
        ('[[category]]\nname = "ours"', "definition is missing"),
        ('[[category]]\nname = "ours"\ndefintion = "x"', "did you mean “definition”"),
        ('[[category]]\nname = "ours"\ndefinition = "x"\nparent = "timeouts"', "did you mean “timeout”"),
        ('[[category]]\nname = "timeout"\ndefinition = "x"\nparent = "timeout"', "can have no parent"),
        ('[[category]]\nname = "ours"\ndefinition = "x"\n[[category]]\nname = "ours"\ndefinition = "y"', "twice"),
        ('[[category]]\nname = "ours"\ndefinition = "x"\nexamples = ["a line"]', "an example must be"),
        ('[[category]]\nname = "ours"\ndefinition = "x"\ndecisions = "one"', "decisions must be a list"),
        ('[[category]]\nname = "ours"\ndefinition = "x"\nfix = 3', "fix must be a text"),
    ],
)
def test_a_wrong_file_is_refused_in_words_that_help(tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ContractError) as refused:
        load_taxonomy(path)
    assert says in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_file_that_cannot_be_read_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="TAXONOMY_FILE"):
        load_taxonomy(tmp_path / "missing.toml")
    with pytest.raises(SettingsError, match="not TOML"):
        load_taxonomy(written(tmp_path, "= nonsense"))


def test_a_category_that_claims_messages_that_do_not_exist_is_refused_with_the_nearest(tmp_path: Path) -> None:
    own = tmp_path / "taxonomy.toml"
    text = 'extends = true\n[[category]]\nname = "lint_failure"\ndefinition = "x"\nrules = ["RULE"]\n'
    own.write_text(text.replace("RULE", "lnit"))
    with pytest.raises(
        ContractError, match=r"taxonomy.toml \(“lint_failure”\): no message of the catalogue is called “lnit”.*“lint”"
    ):
        taxonomy_in_force(own)
    for known in ("lint", load_catalogue().messages[0].id, load_catalogue().messages[0].family):
        own.write_text(text.replace("RULE", known))
        assert taxonomy_in_force(own).get("lint_failure")
    shipped = files("ci_metrics.classifier") / "taxonomies" / "split_gates.toml"
    assert taxonomy_in_force(Path(str(shipped))).get("lint_failure")
    assert taxonomy_in_force(None) == load_taxonomy(None)
