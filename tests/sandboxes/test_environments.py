"""Python environments are built once, named by what is in them, and fail with the reason."""

import threading

import pytest

from rsi.sandboxes.environments import DONE_MARK, environment_digest, prepare_python
from rsi.sandboxes.errors import EnvironmentBuildError
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
