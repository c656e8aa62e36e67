"""What a repo declares is taken with its bounds, and an environment that meets them is used as it is."""

import sys

import pytest

from rsi.sandboxes.types import FileEntry
from rsi.tasks.errors import NewTaskError
from rsi.tasks.making.own.command_words import Command
from rsi.tasks.making.own.declared import declared_in
from rsi.tasks.making.own.resolving import choose
from rsi.tasks.making.repo_facts import standard_pins

UV_LOCK = """
version = 1
[[package]]
name = "mine"
version = "0.1"
source = { editable = "." }
dependencies = [{ name = "numpy" }, { name = "colorama", marker = "sys_platform == 'win32'" }]
[[package]]
name = "numpy"
version = "2.0.1"
source = { registry = "x" }
[[package]]
name = "colorama"
version = "0.4"
source = { registry = "x" }
[[package]]
name = "unrelated"
version = "9"
source = { registry = "x" }
"""


def tree(**files):
    named = {name.replace("__", "."): text for name, text in files.items()}
    return tuple(FileEntry(path=path, content=text.encode()) for path, text in named.items())


@pytest.mark.parametrize(
    ("files", "lines", "source"),
    [
        ({"requirements__txt": "numpy>=1.26  # old\n-r more.txt\n", "more__txt": "tqdm==4.0\n"},
         ("numpy>=1.26", "tqdm==4.0"), "requirements.txt"),
        ({"pyproject__toml": '[project]\ndependencies = ["numpy>=2,<3", "x; sys_platform == \'win32\'"]\n'},
         ("numpy<3,>=2",), "pyproject.toml"),
        ({"pyproject__toml": '[tool.poetry.dependencies]\npython = "^3.11"\nnumpy = "^1.26"\n'},
         ("numpy>=1.26,<2",), "pyproject.toml"),
        ({"environment__yml": "name: x\ndependencies:\n  - python=3.11\n  - pytorch=2.1\n  - pip:\n    - einops>=0.7\n"},
         ("torch==2.1.*", "einops>=0.7"), "environment.yml"),
        ({"uv__lock": UV_LOCK, "requirements__txt": "numpy\n"}, ("numpy==2.0.1",), "uv.lock"),
        ({"train__py": ""}, (), ""),
    ],
)  # fmt: skip
def test_the_most_exact_file_is_read_with_its_bounds(files, lines, source):
    found = declared_in(tree(**files))
    assert (found.lines, found.source) == (lines, source)


def test_what_cannot_be_repeated_is_said():
    found = declared_in(tree(requirements__txt="git+https://x/y\n--index-url https://z\n"))
    assert found.lines == ()
    assert len(found.notes) == 2


def chosen(files, folder, **changes):
    told = []
    usual = {
        "task": "mine", "folder": folder, "python": None, "added": (), "variables": {},
        "progress": told.append,
    }  # fmt: skip
    return choose([Command(words=("python", "train.py"))], tree(**files), **(usual | changes))


def an_environment(folder, **packages):
    site = folder / "lib" / "python3.11" / "site-packages"
    for name, version in packages.items():
        (site / f"{name}-{version}.dist-info").mkdir(parents=True)
        (site / name).mkdir()
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(sys.executable)
    return folder


def test_the_environment_of_the_repo_is_used_as_it_is(tmp_path):
    an_environment(tmp_path / ".venv", somelib="1.2", numpy="2.0.1")
    found = chosen({"train__py": "import somelib\nimport numpy\n"}, tmp_path)
    assert found.python == tmp_path / ".venv" / "bin" / "python"
    assert found.installed.pinned == ("numpy==2.0.1", "somelib==1.2")


def test_an_environment_outside_the_persons_bounds_is_not_used(tmp_path):
    an_environment(tmp_path / ".venv", numpy="1.20")
    usual = standard_pins()["numpy"]
    found = chosen({"train__py": "import numpy\n", "requirements__txt": "numpy>=2\n"}, tmp_path)
    assert found.python is None
    assert found.installed.pinned == (usual,)
    assert any(f"{usual} (you said numpy>=2)" in each for each in found.notes)


def test_an_environment_that_was_named_and_lacks_a_module_is_refused(tmp_path):
    an_environment(tmp_path / "other", numpy="2.0.1")
    with pytest.raises(NewTaskError, match="lacks somelib"):
        chosen({"train__py": "import somelib\n"}, tmp_path, python=tmp_path / "other")


def test_a_package_that_no_file_names_is_never_installed_by_its_modules_name(tmp_path):
    with pytest.raises(NewTaskError, match="add --with other --with somelib"):
        chosen({"train__py": "import somelib, other.part\n"}, tmp_path)


def test_what_is_imported_on_a_condition_is_not_asked_for(tmp_path):
    train = "import numpy\nif False:\n    import wandb\ndef load():\n    import transformers\n"
    assert chosen({"train__py": train}, tmp_path).installed.name == "rsi-numpy"


def test_a_build_of_a_version_that_is_usual_is_that_version(tmp_path, monkeypatch):
    """So that its environment begins with what others share."""
    usual = standard_pins()["torch"]
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text(f"#!/bin/sh\necho {usual}+cpu\necho tensorboard==2.21.0\necho other==1+local\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", str(uv.parent), prepend=":")
    train = "import torch\nfrom torch.utils.tensorboard import SummaryWriter\n"
    found = chosen({"train__py": train}, tmp_path)
    assert found.installed.pinned == (usual, "tensorboard==2.21.0", "other==1+local")


def test_a_folder_of_settings_is_no_module_of_the_repo(tmp_path):
    with pytest.raises(NewTaskError, match="add --with oddlib"):
        chosen({"train__py": "import oddlib\n", "conf/oddlib/x__yaml": "a: 1\n"}, tmp_path)


def test_a_project_that_asks_for_another_python_is_told_so():
    pyproject = '[project]\nname = "a"\nrequires-python = "{}"\ndependencies = ["numpy"]\n'
    notes = declared_in(tree(pyproject__toml=pyproject.format(">=3.8,<3.9"))).notes
    assert notes[0].startswith("pyproject.toml asks for Python >=3.8,<3.9, and this one is 3.")
    assert declared_in(tree(pyproject__toml=pyproject.format(">=3.8"))).notes == ()
    assert declared_in(tree(pyproject__toml=pyproject.format("newest"))).notes == ()
