"""Entry of the task: hand in the reviewer's rules. Protected; a reviewer is data, and nothing of it is executed."""

import os
import shutil
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Copy the rules, with the instance's ticket: what is handed in was made in this run."""
    io = Path(os.environ["RSI_IO"])
    out = io / "out"
    shutil.copyfile(io / "public" / "ticket.json", out / "ticket.json")
    shutil.copyfile(HERE / "reviewer" / "signs.toml", out / "signs.toml")


if __name__ == "__main__":
    main()
