"""A backend is chosen in the open, and nothing weaker than bubblewrap in silence."""

import os
import subprocess
import sys

import pytest
from tests.adversarial.sandbox.conftest import ARENAS

from rsi.sandboxes.errors import BackendUnavailableError
from rsi.sandboxes.process import ProcessBackend
from rsi.sandboxes.select import AUTOMATIC, BACKENDS, Candidate, choose_backend, pick
from rsi.sandboxes.types import Assurance, Availability


def candidate(name: str, is_available: bool, reason: str) -> Candidate:
    availability = Availability(is_available=is_available, reason=reason)
    return Candidate(name=name, backend=ProcessBackend(), availability=availability)


def test_the_strongest_that_runs_is_taken_and_the_others_are_named():
    chosen, reason = pick(
        [
            candidate("docker", False, "no engine"),
            candidate("bubblewrap", True, "works"),
            candidate("process", True, ""),
        ]
    )
    assert chosen.name == "bubblewrap"
    assert reason == "bubblewrap: works; not docker (no engine)"


def test_a_plain_process_is_never_taken_by_itself():
    assert "process" not in AUTOMATIC
    with pytest.raises(BackendUnavailableError, match=r"get it so.*'process'"):
        pick([candidate("bubblewrap", False, "get it so"), candidate("process", True, "")])


@pytest.mark.parametrize(
    "kind", [each for each in BACKENDS if each.is_automatic], ids=lambda each: each.name
)
def test_only_a_backend_with_walls_is_taken_by_itself(kind):
    assert kind.make().assurance is not Assurance.NONE, (
        f"{kind.name} keeps nothing out: is_automatic=False"
    )


def test_every_backend_with_walls_is_attacked():
    walled = {each.name for each in BACKENDS if each.make().assurance is not Assurance.NONE}
    assert {name.partition("+")[0] for name in walled} <= set(ARENAS), (
        "add it to ARENAS in tests/adversarial/sandbox/conftest.py, with a way to take its walls down"
    )


def test_a_plain_process_is_taken_by_name_and_says_what_it_is():
    choice = choose_backend("process")
    assert choice.backend.name == "process"
    assert "no isolation" in choice.reason


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"docker.*bubblewrap"):
        choose_backend("podman")


def test_a_machine_with_nothing_gets_a_sentence_that_helps(tmp_path):
    program = "from rsi.sandboxes.select import choose_backend; choose_backend()"
    environ = {
        "PATH": str(tmp_path),
        "DOCKER_HOST": f"unix://{tmp_path}/none.sock",
        "HOME": str(tmp_path),
    }
    environ["PYTHONPATH"] = os.environ.get("PYTHONPATH", "")
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    last = ended.stderr.strip().splitlines()[-1]
    assert "apt install bubblewrap" in last
    assert "Docker" in last


def test_importing_the_choice_loads_no_engine_sdk():
    program = (
        "import sys, rsi.sandboxes.select; print('docker' in sys.modules, 'pynvml' in sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ
    )
    assert shown.stdout.split() == ["False", "False"]
