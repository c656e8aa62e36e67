"""What a run left is hostile: numbers are read, files looked at, rows set apart, and nothing of it is believed too far."""

import json
import pickle
import zipfile

import pytest


def test_the_last_number_that_was_said_counts(own_harness, tmp_path):
    read = own_harness.numbers_read.read_numbers
    said = [{"name": "loss", "kind": "pattern", "pattern": "loss ([0-9.e+-]+)"}]
    printed = "loss 3\rstep 2 loss 2.5 loss 2.25.\nnothing\n" + "x" * 5000 + "loss 1\n"
    assert read(said, printed, tmp_path) == {"loss": 2.25}
    line = [{"name": "acc", "kind": "json_line", "key": "eval.acc"}]
    assert read(line, '{"eval": {"acc": 0.5}}\n{"other": 1}\n', tmp_path) == {"acc": 0.5}
    (tmp_path / "m.json").write_text(json.dumps({"a": {"b": 3}}))
    assert read([{"name": "b", "kind": "file", "file": "m.json", "key": "a.b"}], "", tmp_path) == {
        "b": 3.0
    }


@pytest.mark.parametrize("printed", ["", "loss nan\n", "loss inf\n", "loss -\n", "loss: 3\n"])
def test_a_number_that_is_none_is_the_runs_fault(own_harness, tmp_path, printed):
    said = [{"name": "loss", "kind": "pattern", "pattern": r"loss (\S+)"}]
    with pytest.raises(own_harness.kit.InvalidArtifact):
        own_harness.numbers_read.read_numbers(said, printed, tmp_path)


class Evil:
    def __reduce__(self):
        return (print, ("ran",))


def a_checkpoint(path, value):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(value, protocol=2))


def test_a_checkpoint_of_weights_passes_and_one_that_runs_code_does_not(own_harness, tmp_path):
    check, invalid = own_harness.left_files.check_left, own_harness.kit.InvalidArtifact
    a_checkpoint(tmp_path / "good.pt", {"step": 3, "name": "x", "list": [1.0]})
    check(tmp_path)
    a_checkpoint(tmp_path / "evil.pt", {"step": Evil()})
    with pytest.raises(invalid, match="print"):
        check(tmp_path)


def test_a_name_that_is_put_together_in_the_pickle_is_refused(own_harness, tmp_path):
    # Protocol 4 looks names up from its stack, and a memo can hide which.
    hidden = pickle.dumps([Evil(), Evil()], protocol=4)
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("archive/data.pkl", hidden)
    with pytest.raises(own_harness.kit.InvalidArtifact, match="is no weight"):
        own_harness.left_files.check_left(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.pkl", b"x"),
        ("model.joblib", b"x"),
        ("old.pt", b"\x80\x02."),
        ("weights", b"\x80\x04."),
        ("a.json", b"{"),
        ("a.npz", b"PK"),
        (
            "a.npy",
            b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        ),
        ("a.safetensors", b"\xff\xff\xff\xff\xff\xff\xff\x7f{}"),
        ("a.csv", b"\xff\xfe\x00"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(own_harness, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(own_harness.kit.InvalidArtifact, match=name):
        own_harness.left_files.check_left(tmp_path)


@pytest.mark.parametrize("name", ["names.txt", "table.csv", "tokens.bin"])
def test_what_is_set_apart_is_never_handed_out_and_halves_share_nothing(
    own_harness, tmp_path, name
):
    source = tmp_path / name
    rows = [f"row-{at:04d}".encode() + b"\n" for at in range(500)]
    source.write_bytes(b"head\n" + b"".join(rows) if name.endswith(".csv") else b"".join(rows))
    splitting = own_harness.splitting
    kept, apart = splitting.split_rows(source, 0.2, "key")
    searched = splitting.judged_rows(source, apart, "key", is_fresh=False)
    fresh = splitting.judged_rows(source, apart, "key", is_fresh=True)
    assert splitting.split_rows(source, 0.2, "key") == (kept, apart)
    assert splitting.split_rows(source, 0.2, "other") != (kept, apart)
    whole = [each for each in rows if each in kept]
    hidden = [each for each in rows if each in searched]
    confirming = [each for each in rows if each in fresh]
    assert len(whole) > 390
    assert min(len(hidden), len(confirming)) > 35
    assert not set(hidden) & set(whole)
    assert not set(confirming) & (set(whole) | set(hidden))
    if name.endswith(".csv"):
        assert all(part.startswith(b"head\n") for part in (kept, searched, fresh))


def test_rows_that_are_alike_stay_on_one_side(own_harness, tmp_path):
    source = tmp_path / "names.txt"
    source.write_text("".join(f"{at % 20}\n" for at in range(200)))
    kept, apart = own_harness.splitting.split_rows(source, 0.3, "key")
    fresh = own_harness.splitting.judged_rows(source, apart, "key", is_fresh=True)
    searched = own_harness.splitting.judged_rows(source, apart, "key", is_fresh=False)
    sides = [set(each.split()) for each in (kept, fresh, searched)]
    assert [len(each) for each in sides] == [14, 3, 3]
    assert len(set.union(*sides)) == 20


def test_a_file_of_the_run_never_stands_in_for_one_of_the_repo(own_harness, tmp_path):
    for name in ("repo", "public", "left", "folder"):
        (tmp_path / name).mkdir()
    (tmp_path / "repo" / "evaluate.py").write_text(
        "import json\nprint('loss', open('w.txt').read())\n"
    )
    (tmp_path / "left" / "evaluate.py").write_text("print('loss 0')\n")
    (tmp_path / "left" / "w.txt").write_text("0.5")
    # What the task does not name is not there, or the evaluation would import it.
    (tmp_path / "left" / "json.py").write_text("print('loss 0')\nraise SystemExit(0)\n")
    rules = {
        "evaluate": ["python", "evaluate.py"], "qualities": [], "variables": {}, "roots": [],
        "left": ["w.txt", "evaluate.py"], "evaluate_folder": "",
    }  # fmt: skip
    places = {each: tmp_path / each for each in ("repo", "public", "left")}
    printed = own_harness.evaluating.evaluate(
        rules, tmp_path / "folder", held_out=tmp_path / "none", **places
    )
    assert printed == "loss 0.5\n"
    (tmp_path / "left" / "w.txt").unlink()
    (tmp_path / "again").mkdir()
    with pytest.raises(own_harness.kit.InvalidArtifact, match="left no file"):
        own_harness.evaluating.evaluate(
            rules, tmp_path / "again", held_out=tmp_path / "none", **places
        )
