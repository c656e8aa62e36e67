"""What a person types about quality and command means one thing, or is refused in one sentence."""

import pytest

from rsi.sandboxes.types import FileEntry
from rsi.tasks.choices import Direction
from rsi.tasks.errors import NewTaskError
from rsi.tasks.making.own.command_words import read_command
from rsi.tasks.making.own.grading import read_held_out
from rsi.tasks.making.own.quality_words import Source, read_qualities
from rsi.tasks.making.repo_facts import check_command, command_paths, foreign_imports


def one(words, **sides):
    return read_qualities([words], **({"higher": [], "lower": []} | sides))[0]


@pytest.mark.parametrize(
    ("words", "name", "source", "direction"),
    [
        ("val_loss: ([0-9.]+)", "val_loss", Source.PATTERN, Direction.LOWER),
        (r"Average loss: ([\d.]+)", "average_loss", Source.PATTERN, Direction.LOWER),
        ("val_acc", "val_acc", Source.PATTERN, Direction.HIGHER),
        ("top=acc ([0-9.]+)", "top", Source.PATTERN, Direction.LOWER),
        ("loss=([0-9.]+)", "loss", Source.PATTERN, Direction.LOWER),
        (r"loss=\s*(\d+)", "loss", Source.PATTERN, Direction.LOWER),
        ("out/metrics.json:eval.loss", "loss", Source.FILE, Direction.LOWER),
        ("json:eval.reward", "reward", Source.JSON_LINE, Direction.HIGHER),
    ],
)
def test_a_quality_is_named_read_and_turned(words, name, source, direction):
    found = one(words)
    assert (found.name, found.source, found.direction) == (name, source, direction)
    assert not found.is_direction_said


def test_a_direction_that_is_said_is_taken():
    found = one("top=acc ([0-9.]+)", higher=["top"])
    assert found.direction is Direction.HIGHER
    assert found.is_direction_said


@pytest.mark.parametrize(
    ("words", "sides", "sentence"),
    [
        (["loss ([0-9"], {}, "is no pattern"),
        (["loss (a)(b)"], {}, "has 2 pairs of brackets"),
        (["loss [0-9.]+"], {}, "has 0 pairs of brackets"),
        (["loss", "loss"], {}, "twice"),
        (["loss"], {"higher": ["acc"]}, "--higher 'acc' is no quality here"),
    ],
)
def test_a_quality_that_cannot_be_meant_is_one_sentence(words, sides, sentence):
    with pytest.raises(NewTaskError, match=sentence.replace("(", r"\(")) as caught:
        read_qualities(words, **({"higher": [], "lower": []} | sides))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words", "variables"),
    [
        ("python3 train.py --lr 1", ("python3", "train.py", "--lr", "1"), ()),
        ("LR=1 N=2 python train.py", ("python", "train.py"), (("LR", "1"), ("N", "2"))),
        ("uv run --with x python -m pkg.train", ("python", "-m", "pkg.train"), ()),
        ("conda run -n env python train.py", ("python", "train.py"), ()),
        (
            "torchrun --nproc_per_node 1 train.py",
            ("python", "-m", "torch.distributed.run", "--nproc_per_node", "1", "train.py"),
            (),
        ),
        (".venv/bin/python3.12 train.py", ("python", "train.py"), ()),
        ("time env LR=1 python train.py", ("python", "train.py"), (("LR", "1"),)),
        ("pixi run -e dev python train.py", ("python", "train.py"), ()),
        ("train.py --x", ("python", "train.py", "--x"), ()),
    ],
)
def test_a_command_is_what_a_sandbox_can_start(text, words, variables):
    found = read_command(text, option="the command")
    assert (found.words, found.variables) == (words, variables)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("python a.py && python b.py", "needs a shell for '&&'"),
        ("cd sub", "changes the folder and starts nothing"),
        ("cd ../x && python a.py", "leaves the folder that is tried"),
        ("cd x && python a.py && python b.py", "needs a shell for '&&'"),
        ("jupyter nbconvert x.ipynb", "is a notebook"),
        ("python 'a.py", "is no command"),
    ],
)
def test_a_command_that_needs_more_is_one_sentence(text, sentence):
    with pytest.raises(NewTaskError, match=sentence):
        read_command(text, option="the command")


def test_a_command_may_start_in_a_folder_of_the_repo():
    found = read_command("cd ./mnist/ && LR=1 python main.py", option="the command")
    assert (found.folder, found.words) == ("mnist", ("python", "main.py"))
    assert found.variables == (("LR", "1"),)
    assert read_command("cd . && python main.py", option="the command").folder == ""


@pytest.mark.parametrize(
    ("text", "script", "lacks"),
    [
        ("torchrun --standalone train.py --x 1", "train.py", {"torch", "numpy"}),
        ("accelerate launch --num_processes 1 train.py", "train.py", {"accelerate", "numpy"}),
        ("accelerate launch -m pkg.run", "src/pkg/run.py", {"accelerate", "scipy"}),
        ("python -m pkg.run", "src/pkg/run.py", {"scipy"}),
        ("cd sub && torchrun go.py", "sub/go.py", {"torch", "einops"}),
        ("python -X dev -W ignore train.py", "train.py", {"numpy"}),
    ],
)
def test_what_a_launcher_launches_is_found(text, script, lacks):
    sources = {
        "train.py": b"import numpy\n", "src/pkg/run.py": b"import scipy\n", "sub/go.py": b"import einops\n",
    }  # fmt: skip
    tree = tuple(FileEntry(path=path, content=content) for path, content in sources.items())
    found = read_command(text, option="the command")
    place = {"folder": found.folder, "roots": ("src",)}
    check_command(found.words, tree, option="the command", **place)
    assert script in command_paths(found.words, **place)
    assert foreign_imports(found.words, tree, folder=found.folder) == lacks


@pytest.mark.parametrize("text", ["torchrun nowhere.py", "python -m pkg.nothing", "python -X dev"])
def test_a_launcher_that_launches_nothing_of_the_repo_is_refused(text):
    tree = (FileEntry(path="train.py", content=b""),)
    with pytest.raises(NewTaskError, match=r"is not in the repo|names no script"):
        check_command(read_command(text, option="c").words, tree, option="the command")


def test_what_is_held_out_is_a_file_or_a_share_of_one():
    assert read_held_out("./data/val.bin") == ("data/val.bin", None)
    assert read_held_out("10% of names.txt") == ("names.txt", 0.1)
    with pytest.raises(NewTaskError, match="between 0% and 100%"):
        read_held_out("100% of names.txt")
    with pytest.raises(NewTaskError, match="cannot be read"):
        read_held_out("10 % names.txt")
