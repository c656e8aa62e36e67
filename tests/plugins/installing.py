"""Distributions as an installer leaves them, made in a folder of a test."""

from pathlib import Path


def install(folder: Path, name: str, entries: str, code: str = "", version: str = "1.0") -> None:
    """What an installer leaves of a distribution with one module."""
    module = name.replace("-", "_")
    info = folder / f"{module}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(entries)
    (folder / f"{module}.py").write_text(code)
