"""Tar streams are read without trust."""

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsi.sandboxes.errors import FileTreeError
from rsi.sandboxes.inside.filetree import SurveyReader, TarReader, check_path, pack_tree
from rsi.sandboxes.types import FileEntry

NAMES = st.text("abc.-_é漢", min_size=1, max_size=90).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
ENTRIES = st.builds(
    FileEntry, path=PATHS, content=st.binary(max_size=2000), is_executable=st.booleans()
)


def read(stream: bytes, *, step: int = 700, max_bytes: int = 1 << 20, max_files: int = 100):
    reader = TarReader(max_bytes=max_bytes, max_files=max_files)
    for start in range(0, len(stream), step):
        reader.feed(stream[start : start + step])
    return reader.finish()


def foreign_tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@settings(max_examples=40, deadline=None)
@given(st.lists(ENTRIES, max_size=6, unique_by=lambda entry: entry.path), st.integers(1, 5000))
def test_what_is_packed_is_read_back(entries, step):
    try:
        stream = pack_tree(entries)
    except FileTreeError:
        return  # one path below another
    assert read(stream, step=step) == tuple(sorted(entries, key=lambda entry: entry.path))


def test_another_implementation_reads_what_we_pack():
    tree = [FileEntry(path="x" * 150 + "/y", content=b"12345", is_executable=True)]
    with tarfile.open(fileobj=io.BytesIO(pack_tree(tree))) as archive:
        (member,) = archive.getmembers()
        assert (member.name, member.size, member.mode) == (tree[0].path, 5, 0o755)
        assert archive.extractfile(member).read() == b"12345"


def test_we_read_what_another_implementation_packs():
    stream = foreign_tar((tarfile.TarInfo("p/" + "q" * 180), b"content"))
    assert read(stream) == (FileEntry(path="p/" + "q" * 180, content=b"content"),)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../x",
        "a/../b",
        "a//b",
        "./a",
        "",
        "a/",
        "a\nb",
        "\x1b[31m",
        "a\x00b",
        "a\u202eb",
        "x" * 256,
    ],
)
def test_paths_that_climb_or_deceive_are_refused(path):
    with pytest.raises(FileTreeError):
        check_path(path)


@pytest.mark.parametrize("path", ["/etc/passwd", "../../victim", "a/../../b"])
def test_a_traversal_in_the_stream_is_refused(path):
    with pytest.raises(FileTreeError, match="plain relative"):
        read(foreign_tar((tarfile.TarInfo(path), b"x")))


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "character device"),
        (tarfile.BLKTYPE, "block device"),
        (tarfile.FIFOTYPE, "fifo"),
        (tarfile.GNUTYPE_SPARSE, "sparse"),
        (b"g", "unknown kind"),
        (b"x", "unknown kind"),
        (b"5", "unknown kind"),
    ],
)
def test_everything_but_a_regular_file_is_refused(kind, word):
    member = tarfile.TarInfo("odd")
    member.type, member.linkname = kind, "/etc/passwd"
    with pytest.raises(FileTreeError, match=word):
        read(foreign_tar((member, b"")))


def test_a_giant_is_refused_by_its_header_before_its_content_comes():
    stream = pack_tree([FileEntry(path="big", content=b"x" * 5000)])
    reader = TarReader(max_bytes=4000, max_files=10)
    with pytest.raises(FileTreeError, match="larger than 4000 bytes"):
        reader.feed(stream[:512])


def test_a_size_that_lies_in_base_256_is_refused():
    stream = bytearray(pack_tree([FileEntry(path="big", content=b"")]))
    stream[124:136] = b"\x80" + (1 << 60).to_bytes(11, "big")
    stream[148:156] = b"%06o\0 " % (sum(stream[:148]) + sum(stream[156:512]) + 8 * 32)
    with pytest.raises(FileTreeError, match="larger"):
        read(bytes(stream))


def test_too_many_files_are_refused():
    with pytest.raises(FileTreeError, match="in 2 files"):
        read(pack_tree([FileEntry(path=str(at), content=b"") for at in range(3)]), max_files=2)


def test_the_same_path_twice_is_refused():
    stream = foreign_tar((tarfile.TarInfo("a"), b"1"), (tarfile.TarInfo("a"), b"2"))
    with pytest.raises(FileTreeError, match="twice"):
        read(stream)


def test_a_file_below_a_file_is_refused():
    with pytest.raises(FileTreeError, match="below"):
        pack_tree([FileEntry(path="a", content=b""), FileEntry(path="a/b", content=b"")])


def test_a_stream_that_stops_early_is_refused():
    stream = pack_tree([FileEntry(path="a", content=b"x" * 2000)])
    with pytest.raises(FileTreeError, match="ended before"):
        read(stream[:1500])


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=3000))
def test_noise_is_refused_or_empty_never_a_crash(noise):
    try:
        read(noise)
    except FileTreeError:
        return


def test_a_name_that_is_no_utf8_is_refused():
    stream = bytearray(pack_tree([FileEntry(path="ab", content=b"")]))
    stream[0] = 0xFF
    stream[148:156] = b"%06o\0 " % (sum(stream[:148]) + sum(stream[156:512]) + 8 * 32)
    with pytest.raises(FileTreeError, match="not UTF-8"):
        read(bytes(stream))


def survey_of(stream: bytes, *, step: int = 5, max_entries: int = 10):
    reader = SurveyReader(max_entries=max_entries)
    for start in range(0, len(stream), step):
        reader.feed(stream[start : start + step])
    return reader.finish()


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_survey_is_read_in_pieces_of_any_size(step):
    stream = b"100644 12 99 ab code/a b.py\x0040755 13 98 - code\x00"
    found = survey_of(stream, step=step)
    assert found["code/a b.py"].sha256 == "ab"
    assert (found["code"].is_folder, found["code"].sha256) == (True, None)
    assert (found["code/a b.py"].inode, found["code/a b.py"].changed_ns) == (12, 99)


@pytest.mark.parametrize(
    "stream",
    [b"nonsense\0", b"9 1 1 - a\0", b"644 x 1 - a\0", b"x" * 9000, b"644 1 1 - a\0" * 11],
)
def test_a_survey_that_is_none_or_too_long_is_refused(stream):
    many = stream if stream.count(b"\0") < 2 else b"".join(b"644 1 1 - %d\0" % n for n in range(11))
    with pytest.raises(FileTreeError):
        survey_of(many)
