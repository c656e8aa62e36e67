"""The JSON schema of task.toml says of a file what the loader says, as far as one key shows it."""

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest
from tests.tasks.format.test_loader import with_tracks

from rsi.agent.cli.entry import main
from rsi.tasks.format.loader import BUILT_IN
from rsi.tasks.format.task_file import task_schema

VALIDATOR = jsonschema.Draft202012Validator(task_schema())


def mistakes(folder: Path) -> list[str]:
    document = tomllib.loads((folder / "task.toml").read_text(encoding="utf-8"))
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(document)]


def test_the_schema_is_one_and_every_built_in_task_fits_it():
    VALIDATOR.check_schema(VALIDATOR.schema)
    for path in BUILT_IN.glob("*/task.toml"):
        assert mistakes(path.parent) == []


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("minimum_effect = 0.05", "minimum_effect = 2", "$.rsi.metric.minimum_effect"),
        ("minimum_effect = 0.05\n", "", "$.rsi.metric"),
        ('unit = "s"', 'unti = "s"\nunit = "s"', "$.rsi.metric"),
        ('clock = "cpu_s"', 'clock = "device_s"', "$.rsi.metric.clock"),
        ('name = "max_rss_bytes"', 'name = "max_rss"', "$.rsi.guard[0].name"),
        ("pids = 32", "pids = 0", "$.rsi.profile.smoke.limits.pids"),
        ('schema_version = "1.4"', 'schema_version = "2"', "$.schema_version"),
    ],
)
def test_an_editor_marks_what_the_loader_refuses(edit_toml, old, new, place):
    found = mistakes(edit_toml(old, new))
    assert [each.split(": ")[0] for each in found] == [place]


def test_a_track_may_leave_out_what_it_does_not_change_and_nothing_else(toy_copy: Path):
    with_tracks(toy_copy)
    assert mistakes(toy_copy) == []
    path = toy_copy / "task.toml"
    path.write_text(
        path.read_text().replace("wall_s = 40\n[rsi.track.hard", "wal_s = 40\n[rsi.track.hard")
    )
    (found,) = mistakes(toy_copy)
    assert found.startswith("$.rsi.track.hard.profile.smoke.limits: Additional properties")


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_the_verb_prints_it(capsys, flags):
    assert main(["task", "schema", *flags]) == 0
    assert json.loads(capsys.readouterr().out) == task_schema()
