"""Set rows of a data file apart, so that no run is given them.

Which rows are apart is drawn once for the task by a secret key: one half of them judges ideas while they are searched, the
other half only confirms them. Text is split by lines (the first of a .csv or .tsv is its header), anything else as one
stretch. Invariant: what is set apart is never in what is handed out, whatever the seed; rows that are alike stay together.
"""

import random
from pathlib import Path

TEXT = frozenset({".txt", ".csv", ".tsv", ".jsonl", ".json", ".md", ""})
WITH_HEADER = frozenset({".csv", ".tsv"})
UNIT_BYTES = 64
"""Stretches of packed data start and end at multiples of it, so that no number is cut."""


def split_rows(source: Path, share: float, key: str) -> tuple[bytes, bytes]:
    """(what runs may see, what they may not) of a file."""
    content = source.read_bytes()
    generator = random.Random(f"{key}/{source.name}")
    if source.suffix in TEXT:
        header, rows = _lines(source, content)
        different = list(dict.fromkeys(rows))
        generator.shuffle(different)
        apart = set(different[: max(2, round(share * len(different)))])
        kept = header + b"".join(row for row in rows if row not in apart)
        return kept, header + b"".join(row for row in rows if row in apart)
    units = len(content) // UNIT_BYTES
    length = max(2, round(share * units))
    start = generator.randrange(max(1, units - length + 1)) * UNIT_BYTES
    end = start + length * UNIT_BYTES
    return content[:start] + content[end:], content[start:end]


def judged_rows(source: Path, apart: bytes, key: str, *, is_fresh: bool) -> bytes:
    """The half of what is set apart that ideas are searched with, or the other, which only confirms them."""
    if source.suffix in TEXT:
        header, rows = _lines(source, apart)
        different = list(dict.fromkeys(rows))
        random.Random(f"{key}/{source.name}/halves").shuffle(different)
        half = len(different) // 2
        chosen = set(different[:half] if is_fresh else different[half:])
        return header + b"".join(row for row in rows if row in chosen)
    half = len(apart) // UNIT_BYTES // 2 * UNIT_BYTES
    return apart[:half] if is_fresh else apart[half:]


def _lines(source: Path, content: bytes) -> tuple[bytes, list[bytes]]:
    rows = content.splitlines(keepends=True)
    if rows and not rows[-1].endswith(b"\n"):
        rows[-1] += b"\n"
    return (rows[0], rows[1:]) if source.suffix in WITH_HEADER and rows else (b"", rows)
