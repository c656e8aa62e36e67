"""Tests of the whole program: it trains at every size and context, and the report that it prints is true. Protected.

Run as `python -P tests/test_program.py`. Each test runs `run.py` on a small text and a small model, with modules of the
trainer that were not imported before. The loss of what was left is computed here, as PUBLIC.md says, in plain numpy.
"""

import contextlib
import io
import json
import math
import os
import random
import re
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.append(str(ROOT))

import numpy  # noqa: E402 - after the variables that it reads

REPORT = re.compile(r"step=(\d+) .*validation_bpb=([0-9.]+)")
TOLERANCE_BPB = 0.01
"""Between the last loss that is printed, with four digits, and the loss of the weights that are left."""
VALIDATION_WINDOWS = 20


class Reported(BaseException):
    """Ends a run as soon as it has reported: the rest would only cost time."""


class Output(io.StringIO):
    """What a run prints.

    Args:
        stops: Whether the first report ends the run.
    """

    def __init__(self, stops: bool) -> None:
        super().__init__()
        self.stops = stops

    def write(self, text: str) -> int:
        written = super().write(text)
        if self.stops and "\n" in text and REPORT.search(self.getvalue()):
            raise Reported
        return written


class ProgramTest(unittest.TestCase):
    """Runs the program at three sizes, each with a context that no profile has."""

    def test_the_smallest_size_at_a_longer_context_reports_the_loss_of_what_it_leaves(self):
        self.check_report(*self.run_program("smoke", context=150, layers=1, width=16, heads=2))

    def test_the_middle_size_at_a_shorter_context_reports_the_loss_of_what_it_leaves(self):
        self.check_report(*self.run_program("demo", context=24, layers=2, width=24, heads=4))

    def test_the_full_size_trains_until_it_reports(self):
        printed, _, _ = self.run_program("full", context=40, layers=2, width=8, heads=2, stops=True)
        assert REPORT.search(printed), "the full size reports nothing"

    def run_program(self, profile, *, context, layers, width, heads, stops=False):
        """Run the program once: what it printed, its folder, and the model that it was asked for."""
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (folder / "public").mkdir()
        (folder / "out").mkdir()
        model = {
            "layers": layers, "width": width, "heads": heads, "context": context, "mlp_width": 4 * width,
            "activation": "gelu", "norm": "layernorm", "position": "learned", "is_tied": False,
            "ngram_orders": [], "ngram_rows": 0,
        }  # fmt: skip
        settings = {
            "profile": profile, "track": "fixed_model", "model": model, "is_model_pinned": True,
            "max_parameters": 20_000_000, "max_multiplications": 2_000_000,
        }  # fmt: skip
        size = context * VALIDATION_WINDOWS + 1
        # Every third of a text has letters of its own, and so has each text: no part of one speaks for another.
        texts = {
            "settings.json": json.dumps(settings),
            "train.txt": "".join(letters(part, 1500) for part in ("abcdef", "abcxyz", "uvwxyz")),
            "validation.txt": "".join(letters(part, size // 3 + 1) for part in ("aaab", "mnop", "xyza")),
        }  # fmt: skip
        for name, text in texts.items():
            (folder / "public" / name).write_text(text, encoding="ascii")
        os.environ |= {"RSI_IO": str(folder), "RSI_PROFILE": profile, "RSI_SEED": "11"}
        for name in [name for name in sys.modules if name.partition(".")[0] in {"run", "trainer"}]:
            del sys.modules[name]
        import run

        output = Output(stops)
        with contextlib.redirect_stdout(output), contextlib.suppress(Reported):
            run.main()
        return output.getvalue(), folder, model

    def check_report(self, printed, folder, model):
        found = REPORT.findall(printed)
        assert found, "the run printed no line with step= and validation_bpb="
        config = json.loads((folder / "out" / "config.json").read_text(encoding="utf-8"))
        assert config["context"] == model["context"], "config.json has another context"
        with numpy.load(folder / "out" / "weights.npz") as archive:
            weights = {name: archive[name].astype(numpy.float64) for name in archive.files}
        text = numpy.frombuffer((folder / "public" / "validation.txt").read_bytes(), numpy.uint8)
        loss = bits_per_byte(config, weights, text.astype(numpy.int64))
        said = float(found[-1][1])
        assert abs(said - loss) < TOLERANCE_BPB, (
            f"the last report says {said:.4f} bits per byte, the weights that were left have {loss:.4f}"
        )


def letters(alphabet, count):
    """Random letters, the same in every run."""
    return "".join(random.Random(alphabet).choices(alphabet, k=count))


def bits_per_byte(config, weights, text):
    """Mean -log2 P(byte | earlier bytes of its window), windows side by side."""
    context = config["context"]
    count = (len(text) - 1) // context
    windows = text[: count * context].reshape(count, context)
    targets = text[1 : count * context + 1].reshape(count, context)
    scores = scores_of(config, weights, windows)
    scores -= scores.max(-1, keepdims=True)
    scores -= numpy.log(numpy.exp(scores).sum(-1, keepdims=True))
    chosen = numpy.take_along_axis(scores, targets[..., None], -1)
    return -float(chosen.mean()) / math.log(2)


def scores_of(config, weights, windows):
    """Scores of the next byte at every position."""
    hidden = weights["token_embedding"][windows]
    for order in config["ngram_orders"]:
        hidden += weights[f"ngram_{order}_embedding"][rows_of(windows, order, config["ngram_rows"])]
    if config["position"] == "learned":
        hidden += weights["position_embedding"][: windows.shape[1]]
    for layer in range(config["layers"]):
        part = {
            name.removeprefix(f"layers.{layer}."): array
            for name, array in weights.items()
            if name.startswith(f"layers.{layer}.")
        }
        hidden += attention(config, part, norm(config, part, "attention_norm", hidden))
        if config["mlp_width"]:
            inner = norm(config, part, "mlp_norm", hidden) @ part["mlp_up"].T
            hidden += activation(config, inner) @ part["mlp_down"].T
    head = weights["token_embedding" if config["is_tied"] else "head"]
    return norm(config, weights, "final_norm", hidden) @ head.T


def attention(config, part, normed):
    batch, positions, width = normed.shape
    size = width // config["heads"]
    query, key, value = (
        (normed @ part[name].T).reshape(batch, positions, -1, size).transpose(0, 2, 1, 3)
        for name in ("query", "key", "value")
    )
    if config["position"] == "rotary":
        query, key = rotated(query), rotated(key)
    scores = query @ key.transpose(0, 1, 3, 2) / math.sqrt(size)
    scores = numpy.where(numpy.tri(positions, dtype=bool), scores, -numpy.inf)
    shares = numpy.exp(scores - scores.max(-1, keepdims=True))
    mixed = shares / shares.sum(-1, keepdims=True) @ value
    return mixed.transpose(0, 2, 1, 3).reshape(batch, positions, width) @ part["output"].T


def rotated(heads):
    positions, size = heads.shape[-2:]
    angle = numpy.arange(positions)[:, None] * 10_000.0 ** (-numpy.arange(size // 2) / (size // 2))
    first, second = numpy.split(heads, 2, axis=-1)
    cosine, sine = numpy.cos(angle), numpy.sin(angle)
    return numpy.concatenate([first * cosine - second * sine, first * sine + second * cosine], -1)


def norm(config, weights, name, hidden):
    if config["norm"] == "layernorm":
        hidden = hidden - hidden.mean(-1, keepdims=True)
    hidden = hidden / numpy.sqrt(numpy.square(hidden).mean(-1, keepdims=True) + 1e-5)
    hidden = hidden * weights[f"{name}.gain"]
    return hidden + weights[f"{name}.bias"] if config["norm"] == "layernorm" else hidden


def activation(config, inner):
    if config["activation"] == "gelu":
        cubic = inner + 0.044715 * inner**3
        return 0.5 * inner * (1 + numpy.tanh(math.sqrt(2 / math.pi) * cubic))
    return numpy.maximum(inner, 0) ** (2 if config["activation"] == "relu2" else 1)


def rows_of(windows, order, rows):
    """Rows of a hashed table, as PUBLIC.md defines them."""
    hashed = windows + 1
    for back in range(1, order):
        earlier = numpy.pad(windows, ((0, 0), (back, 0)))[:, : windows.shape[1]]
        hashed = (hashed * 1_000_003 + earlier + 1) & 0x7FFFFFFF
    return (hashed ^ (hashed >> 15)) & (rows - 1)


if __name__ == "__main__":
    unittest.main()
