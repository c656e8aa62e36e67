"""Entry of the task: answer every question. Protected."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from counter import ones


def main() -> None:
    """Answer the questions of one run."""
    folder = Path(os.environ["RSI_IO"])
    numbers = json.loads((folder / "public" / "numbers.json").read_text(encoding="ascii"))
    answers = [ones(number) for number in numbers]
    (folder / "out" / "answers.json").write_text(json.dumps(answers), encoding="ascii")


if __name__ == "__main__":
    main()
