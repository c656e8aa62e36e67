"""The kit of a harness: hostile artifacts, seeds, canonical JSON, result files, exit codes."""

import contextlib
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rsi.tasks.format.loader import HARNESS_KIT
from rsi.tasks.harness_kit import (
    ArraySpec,
    Check,
    Graded,
    InvalidArtifact,
    Part,
    canonical_json,
    derive_instance_seed,
    derive_subseed,
    pcg64,
    read_json,
    read_npz,
    seed_commitment,
    stdlib_random,
    strict_json,
    tree_digest,
)
from rsi.tasks.harness_kit.results import result_value, write_result

WEIGHTS = {"w": ArraySpec(dtypes=("float32",), shape=(3, None))}
SECRET = bytes(range(16))


def npz(folder: Path, **arrays: np.ndarray) -> Path:
    np.savez(folder / "weights.npz", **arrays)
    return folder


def raw_npz(folder: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(folder / "weights.npz", "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return folder


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def npy_header(text: str, version: bytes = b"\x01\x00") -> bytes:
    body = text.encode() + b"\n"
    return b"\x93NUMPY" + version + len(body).to_bytes(2, "little") + body


def read(folder: Path, specs: dict[str, ArraySpec] = WEIGHTS, max_bytes: int = 1 << 20):
    return read_npz(folder, "weights.npz", specs, max_bytes=max_bytes)


def test_declared_arrays_come_back_as_they_were(tmp_path: Path):
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert np.array_equal(read(npz(tmp_path, w=array))["w"], array)
    assert np.array_equal(read(npz(tmp_path, w=np.asfortranarray(array)))["w"], array)
    np.savez_compressed(tmp_path / "weights.npz", w=array)
    assert np.array_equal(read(tmp_path)["w"], array)
    assert read(npz(tmp_path, w=array[:, :0]))["w"].shape == (3, 0)


def test_an_object_array_is_refused_before_anything_is_unpickled(tmp_path: Path):
    alarm = tmp_path / "alarm"

    class Bomb:
        def __reduce__(self):
            return (Path.touch, (alarm,))

    np.savez(tmp_path / "weights.npz", w=np.array([Bomb()], dtype=object), allow_pickle=True)
    with pytest.raises(InvalidArtifact):
        read(tmp_path)
    raw_npz(tmp_path, {"w.npy": npy(np.array([Bomb()], dtype=object))})
    with pytest.raises(
        InvalidArtifact, match=r"weights.npz\[w\] has dtype object, expected float32"
    ):
        read(tmp_path)
    assert not alarm.exists()


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 2)), "has dtype float64, expected float32"),
        (np.zeros((3, 2), dtype=">f4"), "has dtype >f4"),
        (np.zeros((2, 3), dtype=np.float32), r"has shape \(2, 3\), expected \(3, \*\)"),
        (np.zeros(3, dtype=np.float32), "has shape"),
        (np.full((3, 1), np.nan, dtype=np.float32), "not finite"),
        (np.full((3, 1), np.inf, dtype=np.float32), "not finite"),
        (np.zeros((3, 1), dtype=[("f", "<f4")]), "has no plain npy header"),
    ],
)
def test_a_wrong_dtype_shape_or_value_is_refused(tmp_path: Path, array: np.ndarray, words: str):
    with pytest.raises(InvalidArtifact, match=words):
        read(npz(tmp_path, w=array))


def test_missing_extra_and_repeated_members_are_refused(tmp_path: Path):
    good = npy(np.zeros((3, 1), dtype=np.float32))
    with pytest.raises(InvalidArtifact, match="lacks w"):
        read(raw_npz(tmp_path, {}))
    with pytest.raises(InvalidArtifact, match=r"'\.\./x\.npy', which was not asked for"):
        read(raw_npz(tmp_path, {"w.npy": good, "../x.npy": good}))
    with pytest.raises(InvalidArtifact, match="'w', which was not asked for"):
        read(raw_npz(tmp_path, {"w": good}))
    with zipfile.ZipFile(tmp_path / "weights.npz", "w") as archive:
        archive.writestr("w.npy", good)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("w.npy", good)
    with pytest.raises(InvalidArtifact, match="twice"):
        read(tmp_path)


def test_a_zip_bomb_is_refused_by_its_declared_and_by_its_real_size(tmp_path: Path):
    big = npy(np.zeros((3, 1 << 20), dtype=np.float32))
    raw_npz(tmp_path, {"w.npy": big}, zipfile.ZIP_DEFLATED)
    assert (tmp_path / "weights.npz").stat().st_size < 1 << 16
    with pytest.raises(InvalidArtifact, match="unpacks to"):
        read(tmp_path)
    content = bytearray((tmp_path / "weights.npz").read_bytes())
    size = len(big).to_bytes(4, "little")
    while (at := content.find(size)) >= 0:
        content[at : at + 4] = (200).to_bytes(4, "little")
    (tmp_path / "weights.npz").write_bytes(content)
    with pytest.raises(InvalidArtifact):
        read(tmp_path)


@pytest.mark.parametrize(
    "member",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x03\x00\xff\xff",
        npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1)}"),
        npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1)}") + b"\0" * 13,
        npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (3, -1)}"),
        npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 99999999999999)}"),
        npy_header("{'descr': '|O', 'fortran_order': False, 'shape': (3, 1)}") + b"\0" * 24,
        npy_header("__import__('os').abort()"),
        npy_header("(" * 2000),
        npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1)" + " " * 5000 + "}"),
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff",
        b"\x93NUMPY\x01\x00\xff\xff{",
        pickle.dumps([1, 2, 3]),
    ],
)
def test_a_damaged_member_is_the_candidates_fault_and_never_a_crash(tmp_path: Path, member: bytes):
    with pytest.raises(InvalidArtifact):
        read(raw_npz(tmp_path, {"w.npy": member}))


def test_every_truncation_and_flipped_byte_is_a_value_or_invalid(tmp_path: Path):
    content = (npz(tmp_path, w=np.ones((3, 4), dtype=np.float32)) / "weights.npz").read_bytes()
    for position in range(len(content)):
        flipped = bytearray(content)
        flipped[position] ^= 0xFF
        for hostile in (content[:position], bytes(flipped)):
            (tmp_path / "weights.npz").write_bytes(hostile)
            with contextlib.suppress(InvalidArtifact):
                assert read(tmp_path)["w"].dtype == np.float32


def test_links_fifos_folders_and_long_files_are_refused(tmp_path: Path):
    (tmp_path / "link.json").symlink_to("/etc/hostname")
    (tmp_path / "folder.json").mkdir()
    os.mkfifo(tmp_path / "fifo.json")
    (tmp_path / "long.json").write_text('"' + "x" * 100 + '"')
    for name in ("link.json", "folder.json", "fifo.json", "long.json", "absent.json"):
        with pytest.raises(InvalidArtifact, match=name):
            read_json(tmp_path, name, max_bytes=50)
    with pytest.raises(ValueError, match="plain file name"):
        read_json(tmp_path, "../x", max_bytes=50)


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "[Infinity]",
        "1e999",
        "-1e999",
        '{"a": 1, "a": 2}',
        "[" * 100_000,
        "",
        "{",
        '"\\ud800"',
        "\xff",
        "1" * 5000,
        "\ufeff1",
    ],
)
def test_json_that_is_not_strict_is_refused(tmp_path: Path, text: str):
    (tmp_path / "model.json").write_bytes(text.encode("latin-1" if text == "\xff" else "utf-8"))
    with pytest.raises(InvalidArtifact, match="is not acceptable JSON"):
        read_json(tmp_path, "model.json", max_bytes=1 << 20)


def test_canonical_json_has_one_spelling():
    assert (
        canonical_json({"b": 1, "a": [1.5, None, "\u00e9"]})
        == '{"a":[1.5,null,"\u00e9"],"b":1}\n'.encode()
    )
    assert strict_json(canonical_json({"a": 0.1})) == {"a": 0.1}
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


def test_seeds_differ_by_every_label_and_repeat_exactly():
    labels = {"task": "toy", "lineage": "main", "round_id": "r1", "pair": 0, "purpose": "screen"}
    first = derive_instance_seed(SECRET, **labels)
    assert first == derive_instance_seed(SECRET, **labels)
    assert len(first) == 32
    others = [
        derive_instance_seed(SECRET, **{**labels, key: value})
        for key, value in {
            "task": "b",
            "lineage": "b",
            "round_id": "r",
            "pair": 1,
            "purpose": "dev",
        }.items()
    ]
    others.append(derive_instance_seed(bytes(16), **labels))
    joined = derive_instance_seed(SECRET, **{**labels, "task": "toymain", "lineage": ""})
    assert len({first, *others, joined}) == 8
    with pytest.raises(ValueError, match="at least 16 bytes"):
        derive_instance_seed(b"short", **labels)


def test_subseeds_have_known_values_so_that_old_records_stay_reproducible():
    seed = bytes(range(32))
    assert (
        seed_commitment(seed) == "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd"
    )
    assert derive_subseed(seed, "train") != derive_subseed(seed, "hidden")
    assert derive_subseed(seed, "train") < 1 << 128
    assert pcg64(seed, "a").integers(1 << 30, size=3).tolist() == [865697890, 837254565, 930600715]
    assert stdlib_random(seed, "a").getrandbits(32) == 3962978923


def test_a_tree_digest_cannot_be_confused_by_moving_bytes_between_name_and_content():
    assert tree_digest([("ab", b"c")]) != tree_digest([("a", b"bc")])
    assert tree_digest([("a", b""), ("b", b"")]) == tree_digest([("b", b""), ("a", b"")])


DECLARED = {
    "task": "toy",
    "metric": {"name": "m", "kind": "fixed_work", "unit": "s", "direction": "lower"},
    "quality": [{"name": "q", "unit": "u", "direction": "lower", "limit": 1.0}],
    "budget": {"unit": "calls", "limit": 5},
}


def test_a_result_says_whether_limits_hold_and_what_was_spent():
    graded = Graded(
        quality={"q": 2.0},
        parts=(Part(name="p", value=None, n=0),),
        guards=(Check(name="g", is_ok=True, evidence="e"),),
        used=3.0,
    )
    value = result_value(graded, declared=DECLARED, identity={"profile": "smoke"})
    assert value["quality"] == [{"name": "q", "value": 2.0, "op": "<=", "limit": 1.0, "ok": False}]
    assert value["spent"] == {"unit": "calls", "used": 3.0, "limit": 5, "by": "harness"}
    assert value["parts"] == [{"name": "p", "value": None, "n": 0}]
    assert value["profile"] == "smoke"


@pytest.mark.parametrize(
    ("graded", "words"),
    [
        (Graded(quality={"q": float("nan")}), "only finite numbers"),
        (Graded(quality={"q": 1.0}, metric_value=float("inf")), "only finite numbers"),
        (Graded(), "'q' is declared in task.toml but was not graded"),
        (Graded(quality={"q": 1.0, "x": 1.0}), "x is not declared"),
        (Graded(quality={"q": 1.0}, outcome="fine"), "'fine' is not one of"),
    ],
)
def test_a_result_that_would_mislead_is_never_written(graded: Graded, words: str):
    with pytest.raises(ValueError, match=words):
        result_value(graded, declared=DECLARED, identity={})


def test_a_result_file_is_written_whole_or_not_at_all(tmp_path: Path):
    path = tmp_path / "new" / "result.json"
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_result(path, {"value": float("nan")})
    assert not path.exists()
    write_result(path, {"b": 1, "a": 2})
    assert path.read_bytes() == b'{"a":2,"b":1}\n'
    assert list(path.parent.iterdir()) == [path]


def test_the_kit_runs_where_rsi_is_not_installed(tmp_path: Path):
    (tmp_path / "harness_kit").symlink_to(HARNESS_KIT)
    code = "import sys, harness_kit; print([m for m in ('rsi', 'numpy') if m in sys.modules])"
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-B",
            "-c",
            f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def harness(folder: Path, *arguments: str, variables: dict[str, str] | None = None):
    toy = HARNESS_KIT.parent / "toy" / "harness"
    trusted = folder / "trusted"
    if not trusted.exists():
        trusted.mkdir()
        (trusted / "harness").symlink_to(toy)
        (trusted / "harness_kit").symlink_to(HARNESS_KIT)
    declared = {
        "task": "toy", "track": "main", "profile": "smoke", "budget": None,
        "settings": {"train_bytes": 2000, "heldout_bytes": 1000, "letters": 5},
        "metric": DECLARED["metric"],
        "quality": [{"name": "excess_bpb", "unit": "b", "direction": "lower", "limit": 0.5}],
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-B", "-P", "-m", "harness", *arguments],
        cwd=folder, capture_output=True, check=False,
        env={"PYTHONPATH": "trusted", "RSI_TASK_JSON": json.dumps(declared), **(variables or {})},
    )  # fmt: skip


INSTANCE = ("instance", "--profile", "smoke", "--purpose", "dev", "--seed", "00" * 32, "--out", "i")
GRADE = ("grade", "--instance", "i", "--artifact", "a", "--result", "r/result.json")


def test_the_verbs_exit_0_with_a_result_and_70_when_we_failed(tmp_path: Path):
    assert json.loads(harness(tmp_path, "describe").stdout)["artifact"] == "model.json"
    assert harness(tmp_path, *INSTANCE).returncode == 0
    assert harness(tmp_path, *INSTANCE).returncode == 70, (
        "an instance is never written over another"
    )
    (tmp_path / "a").mkdir()
    assert harness(tmp_path, *GRADE).returncode == 0, "a bad candidate is a result"
    result = json.loads((tmp_path / "r" / "result.json").read_bytes())
    assert (result["outcome"], result["metric"]["value"]) == ("invalid_output", None)
    assert "model.json could not be read" in result["reason"]
    (tmp_path / "i" / "secret" / "source.json").unlink()
    (tmp_path / "a" / "model.json").write_text("{}")
    failed = harness(tmp_path, *GRADE)
    assert failed.returncode == 70
    assert b"Traceback" in failed.stderr
    assert (
        harness(tmp_path, *INSTANCE[:-1], "j", variables={"RSI_TASK_JSON": "[]"}).returncode == 70
    )
    other = tuple(word.replace("smoke", "full") for word in INSTANCE)
    assert harness(tmp_path, *other).returncode == 70


def test_a_number_that_cannot_be_scored_is_the_candidates_fault(tmp_path: Path):
    assert harness(tmp_path, *INSTANCE).returncode == 0
    letters = sorted(set((tmp_path / "i" / "public" / "train.txt").read_text()))
    rows = [[1000] * len(letters) if at else [0] * len(letters) for at in range(len(letters))]
    rows[0][0] = 1
    model = {"letters": "".join(letters), "counts": rows, "smoothing": 5e-324}
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "model.json").write_text(json.dumps(model))
    done = harness(tmp_path, *GRADE)
    assert done.returncode == 0, done.stderr.decode()
    result = json.loads((tmp_path / "r" / "result.json").read_bytes())
    assert result["outcome"] == "invalid_output"
    assert "smoothing must lie" in result["reason"]


def test_a_reason_that_quotes_a_candidate_stays_short(tmp_path: Path):
    assert harness(tmp_path, *INSTANCE).returncode == 0
    (tmp_path / "a").mkdir()
    key = "k" * 40_000
    (tmp_path / "a" / "model.json").write_text(f'{{"{key}": 1, "{key}": 2}}')
    assert harness(tmp_path, *GRADE).returncode == 0
    result = json.loads((tmp_path / "r" / "result.json").read_bytes())
    assert result["outcome"] == "invalid_output"
    assert len(result["reason"]) < 1100


def test_selfcheck_reports_each_check(tmp_path: Path):
    done = harness(tmp_path, "selfcheck", "--profile", "smoke")
    assert done.returncode == 0
    names = {check["name"]: check["ok"] for check in json.loads(done.stdout)["checks"]}
    assert names["generator_is_deterministic"]
    assert names["generator_follows_the_seed"]
