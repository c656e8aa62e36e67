"""Entry of the task: read the text, fit, write the model. Protected."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bigram.fit import fit


def main() -> None:
    """Fit the model of one run."""
    folder = Path(os.environ["RSI_IO"])
    text = (folder / "public" / "train.txt").read_text(encoding="ascii")
    model = fit(text)
    (folder / "out" / "model.json").write_text(json.dumps(model), encoding="ascii")


if __name__ == "__main__":
    main()
