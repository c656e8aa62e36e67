"""Python environments are built once, named by what is in them, and fail with the reason."""

import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

import pytest

from rsi.sandboxes.errors import EnvironmentBuildError
from rsi.sandboxes.machine.environments import (
    DONE_MARK,
    UNUSED_S,
    environment_digest,
    packages_in,
    prepare_python,
)
from rsi.sandboxes.machine.layering import RECORD, begin_with
from rsi.sandboxes.types import Environment


def test_the_digest_follows_the_requirements_and_not_the_name():
    one = Environment(name="one", requirements=("a==1", "b==2"))
    assert environment_digest(one) == environment_digest(
        Environment(name="two", requirements=("b==2", "a==1"))
    )
    assert environment_digest(one) != environment_digest(
        Environment(name="one", requirements=("a==2", "b==2"))
    )


def test_a_second_call_finds_what_the_first_one_built(tmp_path):
    lines: list[str] = []
    first = prepare_python(Environment(name="bare"), lines.append, cache=tmp_path)
    assert lines
    lines.clear()
    assert prepare_python(Environment(name="bare"), lines.append, cache=tmp_path) == first
    assert lines == []
    assert (first.bin_folder / "python").exists()


def test_several_builders_at_once_build_once(tmp_path):
    lines: list[str] = []

    def build() -> None:
        prepare_python(Environment(name="bare"), lines.append, cache=tmp_path)

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("making" in line for line in lines) == 1


def test_a_build_that_was_interrupted_is_done_again(tmp_path):
    built = prepare_python(Environment(name="bare"), cache=tmp_path)
    (built.folder / DONE_MARK).unlink()
    (built.bin_folder / "python").unlink()
    again = prepare_python(Environment(name="bare"), cache=tmp_path)
    assert (again.bin_folder / "python").exists()


@pytest.mark.slow
def test_what_nothing_asked_for_in_a_month_goes_at_the_next_build(tmp_path):
    old = prepare_python(Environment(name="bare"), cache=tmp_path)
    month_ago = time.time() - UNUSED_S - 60
    os.utime(old.folder / DONE_MARK, (month_ago, month_ago))
    prepare_python(Environment(name="bare"), cache=tmp_path)
    assert (old.folder / DONE_MARK).stat().st_mtime > month_ago, "asking for it keeps it"
    os.utime(old.folder / DONE_MARK, (month_ago, month_ago))
    new = prepare_python(a_local_package(tmp_path, "forgetful"), cache=tmp_path)
    assert new.folder.exists()
    assert not old.folder.exists()


@pytest.mark.slow
def test_packages_come_from_where_the_operator_says(tmp_path, monkeypatch):
    environment = a_local_package(tmp_path, "wheelhouse")
    folder = Path(environment.requirements[0]).parent
    monkeypatch.setenv("RSI_WHEEL_DIR", str(folder))
    monkeypatch.setenv("RSI_PIP_INDEX_URL", "http://127.0.0.1:9/none")
    monkeypatch.setenv("PIP_RETRIES", "0")
    named = Environment(name="named", requirements=("wheelhouse==1.0",))
    built = prepare_python(named, cache=tmp_path)
    found = subprocess.run(
        [built.bin_folder / "python", "-c", "import wheelhouse; print(wheelhouse.here)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout == "True\n"


def a_local_package(folder, name):
    """An environment of one pure wheel, made by hand: a zip of a module and its metadata."""
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{name}.py", "here = True\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return Environment(name=name, requirements=(str(wheel),))


@pytest.mark.slow
def test_one_requirement_more_installs_nothing_again(tmp_path):
    first, second = (a_local_package(tmp_path, name) for name in ("heavy", "light"))
    part = prepare_python(first, cache=tmp_path)
    (part.folder / RECORD).unlink()  # as of an older version
    prepare_python(first, cache=tmp_path)
    both = Environment(name="both", requirements=(*first.requirements, *second.requirements))
    told: list[str] = []
    whole = prepare_python(both, told.append, cache=tmp_path)
    assert any("taking over the packages" in line for line in told)
    there = whole.folder / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    assert (there / "heavy.py").samefile(part.folder / there.relative_to(whole.folder) / "heavy.py")
    done = subprocess.run(
        [whole.bin_folder / "python", "-c", "import heavy, light, sys; print(sys.prefix)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == str(whole.folder)
    pip = (whole.bin_folder / "pip").read_text().splitlines()[0]
    assert str(whole.folder) in pip or pip.startswith("#!/bin/sh")
    assert "light" not in packages_in(part.folder)


def test_where_no_hard_link_can_be_made_files_are_copied(tmp_path):
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("one file system")
    site = tmp_path / "part" / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    (site / "heavy.py").write_text("here = True\n")
    (tmp_path / "part" / "bin").mkdir()
    (tmp_path / "part" / "bin" / "tool").write_text(f"#!{tmp_path / 'part'}/bin/python\n")
    with tempfile.TemporaryDirectory(dir=other) as name:
        (Path(name) / "bin").mkdir()
        begin_with(tmp_path / "part", Path(name))
        there = Path(name) / "lib" / "python3.11" / "site-packages" / "heavy.py"
        assert there.read_text() == "here = True\n"
        assert (Path(name) / "bin" / "tool").read_text() == f"#!{name}/bin/python\n"


@pytest.mark.slow
def test_an_environment_with_something_else_in_it_is_no_part(tmp_path):
    first, second = (a_local_package(tmp_path, name) for name in ("heavy", "other"))
    both = Environment(name="both", requirements=(*first.requirements, *second.requirements))
    prepare_python(both, cache=tmp_path)
    told: list[str] = []
    alone = prepare_python(first, told.append, cache=tmp_path)
    assert not any("taking over" in line for line in told)
    assert "other" not in packages_in(alone.folder)


@pytest.mark.slow
def test_a_requirement_that_cannot_be_had_fails_with_the_end_of_the_output(tmp_path):
    environment = Environment(name="odd", requirements=(str(tmp_path / "no-such-wheel.whl"),))
    with pytest.raises(EnvironmentBuildError, match="no-such-wheel"):
        prepare_python(environment, cache=tmp_path)


@pytest.mark.slow
def test_what_is_required_can_be_imported_inside(bubblewrap, make_spec, tmp_path):
    from dataclasses import replace

    package = tmp_path / "package"
    package.mkdir()
    (package / "rsi_probe.py").write_text("ANSWER = 42\n")
    (package / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "rsi-probe"\nversion = "1"\n'
    )
    (package / "backend.py").write_text(WHEEL_BACKEND)
    environment = Environment(name="probe", requirements=(str(package),))
    spec = replace(make_spec(), environment=environment)
    with bubblewrap.open(spec) as sandbox:
        result = sandbox.exec(
            ["python", "-c", "import rsi_probe; print(rsi_probe.ANSWER, rsi_probe.__cached__)"]
        )
    assert result.stdout.startswith(b"42 "), result.stderr


WHEEL_BACKEND = """
import base64, hashlib, pathlib, zipfile

def build_wheel(folder, settings=None, metadata=None):
    name = "rsi_probe-1-py3-none-any.whl"
    meta = "Metadata-Version: 2.1\\nName: rsi-probe\\nVersion: 1\\n"
    wheel = "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as archive:
        archive.writestr("rsi_probe.py", pathlib.Path("rsi_probe.py").read_text())
        archive.writestr("rsi_probe-1.dist-info/METADATA", meta)
        archive.writestr("rsi_probe-1.dist-info/WHEEL", wheel)
        archive.writestr("rsi_probe-1.dist-info/RECORD", "")
    return name
"""


def a_foreign_environment(folder: Path, **packages: str) -> Path:
    """A virtual environment's shape with metadata of packages; returns its interpreter."""
    site = folder / "lib" / "python3.11" / "site-packages"
    for name, version in packages.items():
        (site / f"{name}-{version}.dist-info").mkdir(parents=True)
    (folder / "bin").mkdir()
    python = folder / "bin" / "python"
    python.symlink_to(sys.executable)
    return python


def test_an_environment_that_is_there_is_used_as_it_is(tmp_path):
    python = a_foreign_environment(tmp_path / "theirs", Some_Thing="1.2", other="3")
    named = Environment(name="theirs", requirements=("some-thing==1.2",), python=python)
    lines: list[str] = []
    found = prepare_python(named, lines.append, cache=tmp_path / "cache")
    assert found.bin_folder == python.parent
    assert lines == []
    assert not (tmp_path / "cache").exists()


def test_what_was_installed_since_is_another_environment(tmp_path):
    python = a_foreign_environment(tmp_path / "theirs", thing="1.2")
    named = Environment(name="theirs", requirements=("thing==1.2",), python=python)
    before = prepare_python(named).digest
    (tmp_path / "theirs/lib/python3.11/site-packages/more-1.dist-info").mkdir()
    assert prepare_python(named).digest != before


@pytest.mark.parametrize(
    ("requirement", "sentence"),
    [("thing==1.3", "has 1.2 now"), ("absent==1", "has none now")],
)
def test_an_environment_that_changed_is_refused_by_the_package(tmp_path, requirement, sentence):
    python = a_foreign_environment(tmp_path / "theirs", thing="1.2")
    named = Environment(name="theirs", requirements=(requirement,), python=python)
    with pytest.raises(EnvironmentBuildError, match=sentence):
        prepare_python(named)


def test_an_environment_that_is_gone_is_said(tmp_path):
    named = Environment(name="theirs", python=tmp_path / "bin" / "python")
    with pytest.raises(EnvironmentBuildError, match="which is gone"):
        prepare_python(named)


def test_a_package_from_a_folder_is_no_version_to_repeat(tmp_path):
    a_foreign_environment(tmp_path / "theirs", mine="0.1", theirs="2")
    site = tmp_path / "theirs/lib/python3.11/site-packages"
    (site / "mine-0.1.dist-info" / "direct_url.json").write_text('{"dir_info": {}}')
    assert packages_in(tmp_path / "theirs") == {"theirs": "2"}
