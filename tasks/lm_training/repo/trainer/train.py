"""The training loop."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy
import torch
from torch.nn import functional

from trainer.batches import Batches
from trainer.evaluate import bits_per_byte
from trainer.model import VOCABULARY, Model, export_weights
from trainer.settings import settings_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a run hands in."""

    model_config: Mapping[str, object]
    weights: Mapping[str, numpy.ndarray]


def train(
    *,
    train_text: bytes,
    validation_text: bytes,
    settings: Mapping[str, object],
    profile: str,
    seed: int,
) -> Trained:
    """Train a model from scratch.

    Args:
        train_text: ASCII text to learn from.
        validation_text: Text of the same language that is not trained on.
        settings: The instance's settings.json; `model` is the model's configuration.
        profile: "smoke", "demo" or "full".
        seed: Seed of initial weights, dropout and batches.
    """
    torch.manual_seed(seed)
    config, run = settings["model"], settings_of(profile, settings["track"])
    model = Model(config, run.dropout)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=run.learning_rate, weight_decay=run.weight_decay, foreach=False
    )
    batches = Batches(train_text, config["context"], run.batch_size, seed)
    for step in range(1, run.steps + 1):
        inputs, targets = batches.next()
        scores = model(inputs)
        loss = functional.cross_entropy(scores.view(-1, VOCABULARY), targets.view(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % run.validate_every == 0 or step == run.steps:
            bpb = bits_per_byte(model, validation_text, config["context"], run.batch_size)
            print(f"step={step} loss={loss.item():.4f} validation_bpb={bpb:.4f}", flush=True)
    return Trained(model_config=config, weights=export_weights(model))
