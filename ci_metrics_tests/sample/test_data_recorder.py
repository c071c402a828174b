"""The recorder: it keeps what was printed, hides the machine, finds the marks, and refuses
what did not happen as said.
"""

from __future__ import annotations

import json
import socket
import ssl
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from ci_metrics.errors import ContractError
from tools.record.__main__ import main
from tools.record.recipes import Recipe, load_recipes
from tools.record.runner import record
from tools.record.scrub import Places, scrub
from tools.record.servers import serve

NOWHERE = Places(Path("/scratch/x/widgets"), Path("/scratch/x/_temp"), Path("/scratch/home"), (18503,))


def recipe(**more: object) -> Recipe:
    values = {"slug": "try", "tool": "bash", "run": "echo hello\nexit 3", "title": "A try", "category": "runtime_error"}
    return Recipe(**{**values, "marks": (("hello",),), **more})  # type: ignore[arg-type]


def test_a_failing_command_is_recorded_with_its_exit_code_and_marks(tmp_path: Path) -> None:
    run = "echo one\necho two\necho three >&2\nexit 3"
    made = record(recipe(run=run, marks=(("two",), ("one", "three"))), tmp_path)
    assert (made.text, made.exit_code, made.marks) == ("one\ntwo\nthree\n", 3, ((2, 2), (1, 3)))


def test_paths_of_the_machine_become_a_runners(tmp_path: Path) -> None:
    made = record(recipe(run="pwd; echo $HOME; echo $RUNNER_TEMP; exit 1", marks=(("home",),)), tmp_path)
    assert made.text.split() == ["/home/runner/work/widgets/widgets", "/home/runner", "/home/runner/work/_temp"]


@pytest.mark.parametrize(
    ("raw", "scrubbed"),
    [
        ("GET https://registry." + "npm" + "js.org/ms 404", "GET https://packages.example.com/ms 404"),
        ("Updating crates" + ".io index", "Updating packages.example.com index"),
        ("https://sum.go" + "lang.org/lookup", "https://packages.example.com/lookup"),
        ("connect to 127.0.0.1:18503 refused", "connect to artifacts.widgets.example refused"),
        ("File /scratch/x/widgets/a.py", "File /home/runner/work/widgets/widgets/a.py"),
        ("the word widgets/root/ stays", "the word widgets/root/ stays"),
        ("https://docs.example.org/errors", "https://docs.example.org/errors"),
    ],
)
def test_scrubbing_replaces_hosts_and_paths_only(raw: str, scrubbed: str) -> None:
    assert scrub(raw, NOWHERE) == scrubbed


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"run": "exit 0"}, "ended with 0"),
        ({"kind": "passing", "category": None, "marks": ()}, "ended with 3"),
        ({"marks": (("goodbye",),)}, "no line matches 'goodbye'"),
        ({"setup": "echo broken; exit 9"}, "setup ended with 9: broken"),
        ({"serve": "teapot"}, "serve = 'teapot' is not one of"),
        ({"run": "head -c 400000 /dev/zero | tr '\\0' x; exit 1"}, "too long a log"),
    ],
)
def test_what_did_not_happen_as_said_is_refused(tmp_path: Path, more: dict[str, object], told: str) -> None:
    with pytest.raises(ContractError, match=told.replace("'", ".")):
        record(recipe(**more), tmp_path)


def test_a_command_without_an_end_is_ended(tmp_path: Path) -> None:
    made = record(recipe(run="echo hello; sleep 60", stop_after=0.5), tmp_path)
    assert (made.text, made.exit_code) == ("hello\n", 137)


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        (
            '[[recipe]]\nslug = "a"\nrun = "x"\ntitle = "t"\ncategory = "bad_luck"\nmarks = [["x"]]',
            "not one of the ten",
        ),
        ('[[recipe]]\nslug = "a"\nrun = "x"\ntitle = "t"\ncategory = "timeout"', "needs marks"),
        ('[[recipe]]\nslug = "a"\nrun = "x"\ncolour = "red"', "unknown keys"),
        ('[[recipe]]\nslug = "a"\nrun = "x"\nstate = "unknown"\ncategory = "timeout"', "goes with no category"),
        ('[[recipe]]\nslug = "a"\nrun = "x"\nkind = "passing"\ncategory = "timeout"', "no category"),
    ],
)
def test_a_wrong_recipe_is_told_by_file_and_reason(tmp_path: Path, toml: str, told: str) -> None:
    (tmp_path / "some.toml").write_text(toml)
    with pytest.raises(ContractError, match=f"some.toml.*{told}"):
        load_recipes(tmp_path)


def test_the_command_writes_the_log_and_its_entry(tmp_path: Path) -> None:
    arguments = ["missing-artifact", "--scratch", str(tmp_path / "scratch"), "--data", str(tmp_path / "data")]
    assert main(arguments) == 0
    entry = json.loads((tmp_path / "data" / "failures.jsonl").read_text())
    lines = (tmp_path / "data" / "failures" / "missing-artifact.log").read_text().split("\n")
    assert entry["category"] == "infrastructure_error"
    assert "Cannot open" in lines[entry["marks"][0][0] - 1]


@pytest.mark.parametrize(("behaviour", "status"), [("503", 503), ("403", 403), ("401", 401)])
def test_a_server_answers_as_it_is_called(tmp_path: Path, behaviour: str, status: int) -> None:
    with serve(behaviour, tmp_path) as port:
        with pytest.raises(urllib.error.HTTPError) as told:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/x", timeout=10)
        assert told.value.code == status
        told.value.close()


def test_the_third_request_is_answered(tmp_path: Path) -> None:
    with serve("third", tmp_path) as port:
        for _ in range(2):
            with pytest.raises(urllib.error.HTTPError) as told:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/x", timeout=10)
            told.value.close()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/x", timeout=10) as answer:
            assert answer.read() == b"ok\n"


def test_nothing_listens_on_a_closed_port(tmp_path: Path) -> None:
    with serve("closed", tmp_path) as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_certificate_of_its_own_is_not_trusted(tmp_path: Path) -> None:
    with serve("tls", tmp_path) as port, socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        context = ssl.create_default_context()
        with pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(plain, server_hostname="localhost")
