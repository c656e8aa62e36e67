"""The plain process: paths of the inside mean something, and what it does not protect is said."""

from dataclasses import replace

from rsi.sandboxes.process import ProcessBackend
from rsi.sandboxes.types import Assurance, ExecOutcome, FileEntry, Mount


def test_it_says_what_it_does_not_protect():
    backend = ProcessBackend()
    assert backend.assurance is Assurance.NONE
    for word in ("no isolation", "files", "network", "disk"):
        assert word in backend.availability().reason


def test_paths_of_the_inside_lead_to_the_folders_meant(process, make_spec, tmp_path):
    (tmp_path / "given.txt").write_text("given")
    spec = replace(make_spec(), mounts=(Mount(source=tmp_path, target="/given"),))
    with process.open(spec) as sandbox:
        sandbox.put([FileEntry(path="a", content=b"in work")])
        sandbox.put([FileEntry(path="b", content=b"in tmp")], "/tmp")
        assert (
            sandbox.exec(["cat", "/given/given.txt", "/work/a", "/tmp/b"]).stdout
            == b"givenin workin tmp"
        )
        assert (
            sandbox.exec(["sh", "-c", "cat $GIVEN"], variables={"GIVEN": "/given/given.txt"}).stdout
            == b"given"
        )
        assert (
            sandbox.exec(["echo", "--to=/work/out", "/workshop"]).stdout.split()[1] == b"/workshop"
        )
        assert sandbox.get("/tmp", max_bytes=100) == (FileEntry(path="b", content=b"in tmp"),)


def test_an_environment_kept_below_tmp_is_found(make_spec, tmp_path):
    with ProcessBackend(cache=tmp_path / "cache").open(make_spec()) as sandbox:
        result = sandbox.exec(["python", "-c", "import sys; print(sys.prefix)"])
    assert result.outcome is ExecOutcome.OK
    assert result.stdout.decode().startswith(str(tmp_path))


def test_nothing_is_left_in_the_temporary_folder(process, make_spec):
    with process.open(make_spec()) as sandbox:
        folder = sandbox.exec(["pwd"]).stdout.decode().strip()
    assert folder.endswith("/work")
    from pathlib import Path

    assert not Path(folder).exists()


def test_the_leased_gpus_are_the_ones_that_are_used(process, make_spec):
    with process.open(replace(make_spec(), gpus=("GPU-1", "GPU-2"))) as sandbox:
        found = sandbox.exec(["sh", "-c", "echo $CUDA_VISIBLE_DEVICES"])
    assert found.stdout.decode().strip() == "GPU-1,GPU-2"
