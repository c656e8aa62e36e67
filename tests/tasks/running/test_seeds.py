"""A task whose runs do not depend on the seed is found out: its answers could be carried in the source."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rsi.sandboxes.process import ProcessBackend
from rsi.tasks.format.loader import load_task, profile_of
from rsi.tasks.running.check import FOLLOWS_SEED, check_task

pytestmark = pytest.mark.slow


def line_of(task, name: str, claim: str = "screen"):
    profile = replace(profile_of(task), claim=claim)
    task = replace(task, profiles={profile.name: profile}, solutions=(), cheats=())
    lines = check_task(task, None, ProcessBackend()).lines
    return next(each for each in lines if each.name == name)


def edited(folder: Path, path: str, *edits: tuple[str, str]):
    place = folder / path
    text = place.read_text()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    place.write_text(text)
    return load_task(folder)


def test_the_toy_follows_its_seed(toy_copy: Path):
    task = load_task(toy_copy)
    assert line_of(task, FOLLOWS_SEED).is_ok
    assert line_of(task, "harness generator_follows_the_seed").is_ok


def test_a_generator_that_ignores_its_seed_is_found_out_by_both(toy_copy: Path):
    fixed = edited(toy_copy, "harness/task.py", ("stdlib_random(request.seed,", "stdlib_random(bytes(32),"))  # fmt: skip
    assert not line_of(fixed, "harness generator_follows_the_seed").is_ok
    found = line_of(fixed, FOLLOWS_SEED)
    assert not found.is_ok
    assert "byte for byte" in found.detail


def test_a_run_that_ignores_what_the_seed_changed_is_found_out(toy_copy: Path):
    """The generator writes the seed where nobody reads it, as a new task's does."""
    fixed = edited(
        toy_copy,
        "harness/task.py",
        ("stdlib_random(request.seed,", "stdlib_random(bytes(32),"),
        ('(public / "train.txt").write_text(train, encoding="ascii")',
         '(public / "train.txt").write_text(train, encoding="ascii"); (public / "seed.txt").write_text(request.seed.hex())'),
    )  # fmt: skip
    assert line_of(fixed, "harness generator_follows_the_seed").is_ok
    assert not line_of(fixed, FOLLOWS_SEED).is_ok
    said = line_of(fixed, FOLLOWS_SEED, claim="none")
    assert said.is_ok
    assert "claim" in said.detail


def test_a_number_that_is_the_same_to_the_last_digit_gives_it_away_too(toy_copy: Path):
    """What came back differs, as with a time in it, and is worth exactly the same."""
    fixed = edited(
        toy_copy,
        "harness/task.py",
        ('quality={"excess_bpb": excess}', 'quality={"excess_bpb": 0.0123456789}'),
    )
    found = line_of(fixed, FOLLOWS_SEED)
    assert not found.is_ok
    assert json.dumps(0.0123456789) in found.detail
