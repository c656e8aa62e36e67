"""Start one training run and leave its result where the harness looks. Protected: do not edit.

The whole process is on the clock, from its start to the end of its last child.
"""

import json
import os
import sys
from pathlib import Path

# Set before torch loads its thread pool: waiting threads sleep instead of spinning, so that CPU
# seconds mean work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Last, not first: a file here cannot stand in for a library.
sys.path.append(str(Path(__file__).resolve().parent))


def main() -> None:
    """Train with the settings of this instance and write weights.npz and config.json."""
    import numpy
    from trainer.train import train

    if os.environ.get("RSI_DEVICE") == "cuda":  # of the task's variant alone
        import torch

        torch.set_default_device("cuda")
    exchange = Path(os.environ["RSI_IO"])
    public, out = exchange / "public", exchange / "out"
    settings = json.loads((public / "settings.json").read_text(encoding="utf-8"))
    result = train(
        train_text=(public / "train.txt").read_bytes(),
        validation_text=(public / "validation.txt").read_bytes(),
        settings=settings,
        profile=os.environ["RSI_PROFILE"],
        seed=int(settings.get("training_seed", os.environ["RSI_SEED"])),
    )
    out.mkdir(exist_ok=True)
    (out / "config.json").write_text(json.dumps(result.model_config), encoding="utf-8")
    numpy.savez(out / "weights.npz", **result.weights)


if __name__ == "__main__":
    main()
