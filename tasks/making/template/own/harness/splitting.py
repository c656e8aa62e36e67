"""Set rows of a data file apart, so that no run is given them.

Which rows are apart is drawn once for the task by a secret key; each instance is judged on other rows of those. Text is
split by lines (the first of a .csv or .tsv is its header), anything else as one stretch.
Invariant: what is set apart is never in what is handed out, whatever the seed.
"""

import hashlib
import random
from pathlib import Path

TEXT = frozenset({".txt", ".csv", ".tsv", ".jsonl", ".json", ".md", ""})
WITH_HEADER = frozenset({".csv", ".tsv"})
UNIT_BYTES = 64
"""Stretches of packed data start and end at multiples of it, so that no number is cut."""
DRAWN_SHARE = 0.8
"""Of what is set apart, for one instance."""


def split_rows(source: Path, share: float, key: str) -> tuple[bytes, bytes]:
    """(what runs may see, what they may not) of a file."""
    content = source.read_bytes()
    generator = random.Random(f"{key}/{source.name}")
    if source.suffix in TEXT:
        header, rows = _lines(source, content)
        order = list(range(len(rows)))
        generator.shuffle(order)
        apart = set(order[: max(1, round(share * len(rows)))])
        kept = header + b"".join(row for at, row in enumerate(rows) if at not in apart)
        return kept, header + b"".join(row for at, row in enumerate(rows) if at in apart)
    units = len(content) // UNIT_BYTES
    length = max(1, round(share * units))
    start = generator.randrange(max(1, units - length + 1)) * UNIT_BYTES
    end = start + length * UNIT_BYTES
    return content[:start] + content[end:], content[start:end]


def drawn_rows(source: Path, apart: bytes, seed: str) -> bytes:
    """The part of what is set apart that one instance is judged on."""
    digest = hashlib.sha256(f"{seed}/{source.name}".encode()).hexdigest()
    generator = random.Random(digest)
    if source.suffix in TEXT:
        header, rows = _lines(source, apart)
        chosen = set(generator.sample(range(len(rows)), max(1, round(DRAWN_SHARE * len(rows)))))
        return header + b"".join(row for at, row in enumerate(rows) if at in chosen)
    units = len(apart) // UNIT_BYTES
    length = max(1, round(DRAWN_SHARE * units))
    start = generator.randrange(max(1, units - length + 1)) * UNIT_BYTES
    return apart[start : start + length * UNIT_BYTES]


def _lines(source: Path, content: bytes) -> tuple[bytes, list[bytes]]:
    rows = content.splitlines(keepends=True)
    if rows and not rows[-1].endswith(b"\n"):
        rows[-1] += b"\n"
    return (rows[0], rows[1:]) if source.suffix in WITH_HEADER and rows else (b"", rows)
