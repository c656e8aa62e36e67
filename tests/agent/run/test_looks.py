"""What a look at a version says about noise, and how a program is run under the profiler."""

import random
import subprocess
import sys

import pytest

from rsi.agent.run.steps.development.noise import compared
from rsi.agent.run.steps.development.profiling import MARK, profile_told, profiled
from rsi.tasks.choices import Direction

LOWER, HIGHER = Direction.LOWER, Direction.HIGHER


def test_a_plain_gain_is_beyond_the_noise_and_its_mirror_image_too():
    assert compared([1.0, 1.01], [2.0, 2.02], LOWER).startswith("2.000 times as good")
    assert compared([1.0, 1.01], [2.0, 2.02], LOWER).endswith("beyond the noise")
    assert compared([2.0, 2.02], [1.0, 1.01], LOWER).startswith("0.500 times as good")
    assert compared([2.0, 2.02], [1.0, 1.01], HIGHER).startswith("2.000 times as good")


def test_one_run_each_claims_nothing_and_nothing_to_compare_says_so():
    assert "does not tell noise apart" in compared([1.0], [2.0], LOWER)
    assert "no ratio" in compared([], [2.0], LOWER)
    assert "no ratio" in compared([0.0], [2.0], LOWER)


def test_equal_versions_are_called_different_about_one_time_in_twenty():
    draw = random.Random(7)
    said = [
        compared([draw.lognormvariate(0, 0.1) for _ in range(2)], [draw.lognormvariate(0, 0.1) for _ in range(3)], LOWER)
        for _ in range(2000)
    ]  # fmt: skip
    wrong = sum(each.endswith("beyond the noise") for each in said)
    assert 60 <= wrong <= 140


@pytest.mark.parametrize(
    ("entry", "begins", "ends"),
    [
        (("python", "run.py", "--fast"), ("python", "-c"), ("run.py", "--fast")),
        (
            ("python", "-P", "-X", "dev", "-m", "pkg"),
            ("python", "-P", "-X", "dev", "-c"),
            ("-m", "pkg"),
        ),
    ],
)
def test_a_python_command_is_run_under_the_profiler(entry, begins, ends):
    found = profiled(entry)
    assert found[: len(begins)] == begins
    assert found[-len(ends) :] == ends


@pytest.mark.parametrize(
    "entry", [("./run",), ("python", "-c", "pass"), ("python",), ("bash", "x.sh")]
)
def test_another_command_has_no_profile(entry):
    assert profiled(entry) is None


def test_the_profile_names_where_the_time_goes_and_keeps_the_exit_code(tmp_path):
    (tmp_path / "beside.py").write_text(
        "def spin():\n    return sum(i * i for i in range(200_000))\n"
    )
    (tmp_path / "run.py").write_text(
        "import sys, beside\nif __name__ == '__main__':\n    beside.spin()\n    print(sys.argv)\n    sys.exit(3)\n"
    )
    entry = profiled(("python", "run.py", "--x"))
    done = subprocess.run(
        [sys.executable, *entry[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "['run.py', '--x']" in done.stdout
    told = profile_told(done.stdout)
    assert told.startswith(MARK)
    assert any("beside.py:2 <genexpr>" in row for row in told.splitlines()[2:4])
    rows = f"{MARK}\n1 calls  ../../usr/lib/python3.11/json/decoder.py:3 f\n2 calls  /x/lib/python3.12/site-packages/a/b.py:1 g\n3 calls  trainer/c.py:2 h\n"
    assert profile_told(rows).splitlines()[1:] == [
        "1 calls  json/decoder.py:3 f", "2 calls  a/b.py:1 g", "3 calls  trainer/c.py:2 h",
    ]  # fmt: skip
    assert profile_told("nothing") == "no profile: the run ended without it"
