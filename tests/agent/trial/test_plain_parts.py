"""What a failed run is said to need, and what numbers lead to."""

import pytest

from rsi.agent.trial import planning
from rsi.agent.trial.diagnosis import lacks_project, missing_words, why_failed
from rsi.agent.trial.first import data_file
from rsi.sandboxes.types import ExecOutcome, ExecResult, FileEntry
from rsi.tasks.making.own.observing import Observed
from rsi.tasks.making.repo_copy import LFS_POINTER


def a_run(printed="", outcome=ExecOutcome.CRASHED, **seen):
    execution = ExecResult(
        outcome=outcome, exit_code=1, stdout=printed.encode(), stderr=b"", is_truncated=False,
        wall_s=1.0, cpu_s=1.0, cpu_source="cgroup", max_rss_bytes=None,
    )  # fmt: skip
    nothing = dict.fromkeys(
        (
            "written",
            "missed",
            "missed_beside",
            "missed_elsewhere",
            "written_elsewhere",
            "loaded",
            "opened",
            "asked",
        ),
        (),
    )
    return Observed(execution=execution, printed=printed, used_cuda=False, **(nothing | seen))


TRACE = 'File "/work/code/rsi_entry/run.py", line 3\nFile "/work/code/train.py", line 7\nValueError: no\n'


LAUNCHED = (
    TRACE + 'E1130 api.py:1002] failed\nTraceback\n  File "<frozen runpy>", line 198, in main\n'
    "launcher.ChildFailedError:\n=====\nroot cause\n=====\n"
)


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        (a_run(LAUNCHED), "in train.py line 7: ValueError: no"),
        (a_run("it ends so\n=====\n"), "status 1: it ends so"),
        (a_run("ModuleNotFoundError: No module named 'oddlib.layers'\n"), "add --with oddlib"),
        (a_run("ModuleNotFoundError: No module named 'local'\n"), "git add local"),
        (a_run("ModuleNotFoundError: No module named 'local.gone'\n"), "'local.gone', which the repo's local does not have"),
        (a_run("FileNotFoundError: big.bin\n", missed=("big.bin",)), "big.bin is here as a Git LFS pointer alone"),
        (a_run("gloo/transport/tcp/device.cc:186] rv != -1. Address family not supported by protocol\n"), "start one process"),
        (a_run("FileNotFoundError: data/train.bin\n", missed=("data/train.bin",)), "--data data/"),
        (a_run("FileNotFoundError: 'nowhere.bin'\n", missed=("nowhere.bin",)), "'nowhere.bin', which is not here either"),
        (a_run("RuntimeError\n", missed_beside=("../data/MNIST",)), "'../data/MNIST', outside the folder"),
        (a_run("OSError\n", asked=("example.org",)), "asks the network for example.org"),
        (a_run(TRACE), "in train.py line 7: ValueError: no"),
        (a_run(outcome=ExecOutcome.TIMEOUT), "--wall-s SECONDS"),
        (a_run(outcome=ExecOutcome.OOM), "--memory-mb N"),
        (a_run(outcome=ExecOutcome.OUTPUT_LIMIT), "print less"),
    ],
)  # fmt: skip
def test_a_run_that_fails_is_one_sentence_with_what_to_change(tmp_path, seen, sentence):
    (tmp_path / "local").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.bin").write_bytes(b"1")
    (tmp_path / "big.bin").write_bytes(LFS_POINTER + b"\noid sha256:0\n")
    said = why_failed(seen, tmp_path, {"train.py"}, wall_s=60)
    assert sentence in said
    assert "\n" not in said


def test_a_file_that_the_repo_has_deeper_is_said_with_the_folder_to_start_in(tmp_path):
    seen = a_run("FileNotFoundError: 'source/cars.csv'\n", missed=("source/cars.csv",))
    tracked = {"run.py", "demos/plain/source/cars.csv", "resource/cars.csv"}
    said = why_failed(seen, tmp_path, tracked, wall_s=60)
    assert "the repo has demos/plain/source/cars.csv" in said
    assert '"cd demos/plain && ..."' in said
    assert "PYTHONPATH=../.. " in said
    alone = why_failed(seen, tmp_path, {"run.py", "resource/cars.csv"}, wall_s=60)
    assert "which is not here either" in alone


def test_data_beside_tracked_files_is_named_by_its_own_folder(tmp_path):
    (tmp_path / "data" / "char").mkdir(parents=True)
    (tmp_path / "data" / "char" / "train.bin").write_bytes(b"1")
    tracked = {"train.py", "data/char/prepare.py"}
    seen = a_run(missed=("data/char/train.bin",))
    assert missing_words(seen, tmp_path, tracked).endswith("add --data data/char/")
    (tmp_path / "data" / "char" / "meta.pkl").write_bytes(b"1")
    both = a_run(missed=("data/char/train.bin", "data/char/meta.pkl"))
    assert "meta.pkl are here but not in git, so no run has them" in missing_words(
        both, tmp_path, tracked
    )


def test_data_beside_a_part_of_a_repo_is_found_from_the_folder_above(tmp_path):
    part = tmp_path / "many" / "mnist"
    part.mkdir(parents=True)
    seen = a_run("RuntimeError\n", missed_beside=("../data/MNIST",))
    alone = why_failed(seen, part, {"main.py"}, wall_s=60)
    assert "link it there" in alone
    (tmp_path / "many" / ".git").mkdir()
    said = why_failed(seen, part, {"main.py"}, wall_s=60)
    assert f'in {tmp_path / "many"}, call rsi try "cd mnist && ..."' in said
    assert "--data data/, once it is there" in said


def test_a_margin_is_two_spreads_over_seeds_and_never_nothing():
    assert planning.margin_of([1.0, 1.1, 0.9]) == 0.2
    assert planning.margin_of([2.0, 2.0]) == 0.02
    assert planning.margin_of([100.0, 100.0001]) == 0.2


def test_limits_leave_room_and_long_runs_get_fewer_pairs():
    short, long = planning.sizes_of(4.0, 600 << 20, 0), planning.sizes_of(900.0, None, 0)
    assert (short.wall_s, short.memory_mb, short.plan.max_pairs) == (60.0, 1536, 16)
    assert (long.wall_s, long.memory_mb, long.plan.max_pairs) == (4500.0, 1024, 6)
    cost, advice, early = planning.plan_sentences(900.0, long)
    assert early.startswith("--early-stop gives a change up")
    assert len(planning.plan_sentences(900.0, long, stops_early=True)) == 2
    assert "takes about 4 h of this machine" in cost
    assert "a run takes 15 min: add a smaller size of it, such as --proxy" in advice
    assert "the full one is not run now" in planning.plan_sentences(4.0, short, has_full=True)[1]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(8.4, "8 s"), (119.0, "119 s"), (150.0, "2.5 min"), (7200.0, "2 h"), (3 * 86_400.0, "3 days")],
)
def test_a_time_is_said_as_people_say_it(seconds, words):
    assert planning.span_words(seconds) == words


def test_the_smallest_gain_is_no_smaller_than_the_noise_of_a_pair():
    assert planning.minimum_effect_of(0.004) == 0.02
    assert planning.minimum_effect_of(0.04) == 0.05
    assert planning.minimum_effect_of(3.0) == 0.2


def test_only_a_well_known_package_is_added_unasked(tmp_path):
    (tmp_path / "tqdm").mkdir()
    lacking = "ModuleNotFoundError: No module named '{}'\n"
    said = {
        name: lacks_project(a_run(lacking.format(name)), tmp_path)
        for name in ("tensorboard", "hydra", "oddlib", "tqdm")
    }
    assert said == {
        "tensorboard": "tensorboard",
        "hydra": "hydra-core",
        "oddlib": None,
        "tqdm": None,
    }


def test_what_could_be_held_out_is_the_largest_file_of_rows_that_was_read():
    sizes = {
        "VERSION.txt": 6,
        "small.csv": 4000,
        "names.txt": 9000,
        "other.txt": 99_000,
        "model.py": 9000,
    }
    there = tuple(FileEntry(path=path, content=bytes(size)) for path, size in sizes.items())
    read = ("VERSION.txt", "small.csv", "names.txt", "model.py", "gone.txt")
    assert data_file(there, read) == "names.txt"
    assert data_file(there, ("VERSION.txt", "model.py")) == ""
