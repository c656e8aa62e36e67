"""A package that knows rsi and is not known to it adds a task, a backend, a provider and a strategy; a round runs on all four."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="`make setup` installs what builds the example package")

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parent / "example"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The example as an installer leaves it, in a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    words = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target"]
    subprocess.run([sys.executable, "-m", "pip", *words, folder, EXAMPLE], check=True)
    return folder


@pytest.fixture
def rsi(site, tmp_path):
    def run(*words: str, path: Path = site):
        # The engine's log of a campaign that is followed is on stderr too, so only the last line of it is looked at.
        return subprocess.run(
            [sys.executable, "-P", "-m", "rsi.agent.cli", *words],
            env=os.environ
            | {
                "RSI_HOME": str(tmp_path / "home"),
                "RSI_CACHE": str(tmp_path / "cache"),
                "PYTHONPATH": str(path),
                "COLUMNS": "1000",
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def test_its_round_is_planned_proposed_measured_and_promoted_by_what_it_brings(rsi):
    done = rsi(
        "run", "counting", "--model", "example:any", "--strategy", "newest:within=2", "--sandbox", "wrapped",
        "--rounds", "1", "--controls", "0", "--decide", "policy",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(rsi("rounds", "--json").stdout)
    assert found["tier"] == "promoted", done.stdout + done.stderr
    assert found["hypothesis"] == "Odd numbers have ones too."
    shown = json.loads(rsi("show", found["record"]["id"], "--json").stdout)
    text = json.dumps(shown)
    assert "nothing newer than the champion" in text, "the strategy's own reason"
    assert '"example:any"' in text


def test_its_task_passes_the_check_in_its_sandbox(rsi):
    done = rsi("task", "check", "counting", "--sandbox", "wrapped")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout


def test_doctor_lists_each_with_its_distribution_and_help_names_them(rsi):
    found = json.loads(rsi("doctor", "--quick", "--json").stdout)["plugins"]
    assert [(each["plugin"]["group"], each["plugin"]["name"], each["problem"]) for each in found] == [
        ("rsi.backends", "wrapped", ""), ("rsi.tasks", "counting", ""), ("rsi.models", "example", ""),
        ("rsi.strategies", "newest", ""),
    ]  # fmt: skip
    assert {(each["plugin"]["distribution"], each["plugin"]["version"]) for each in found} == {
        ("rsi-example", "1.0")
    }
    shown = " ".join(rsi("run", "--help").stdout.split())
    assert "example:<model>" in shown
    assert "wrapped: of rsi-example 1.0" in shown
    assert "archive, open_ended, newest" in shown


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--strategy", "newest:within=0"], 6, "within must be at least 1"),
        (["--strategy", "newest:colour=red"], 6, "newest has within"),
        (["--model", "example:"], 6, "names no model"),
    ],
)
def test_a_wrong_setting_of_it_is_the_persons_mistake(rsi, words, code, said):
    done = rsi("run", "counting", "--sandbox", "wrapped", *words)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_uninstalled_again_nothing_of_it_is_left(rsi, tmp_path):
    assert "counting" in rsi("task", "list").stdout
    gone = rsi("run", "counting", path=tmp_path)
    assert (gone.returncode, "no task 'counting'" in gone.stderr) == (3, True)
    assert "unknown provider 'example'" in rsi("run", "toy", "--model", "example:x", path=tmp_path).stderr  # fmt: skip
