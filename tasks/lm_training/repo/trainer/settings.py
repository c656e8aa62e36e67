"""How training is run at each size of the task."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """Hyperparameters of one run."""

    steps: int
    """Optimiser steps; enough to reach the target with a little to spare on any seed."""
    batch_size: int
    """Windows per step."""
    learning_rate: float
    weight_decay: float
    dropout: float
    validate_every: int
    """Steps between two passes over the whole validation text."""


PROFILES = {
    "smoke": TrainingSettings(
        steps=280,
        batch_size=8,
        learning_rate=4e-3,
        weight_decay=0.01,
        dropout=0.1,
        validate_every=70,
    ),
    "demo": TrainingSettings(
        steps=160,
        batch_size=8,
        learning_rate=4e-3,
        weight_decay=0.01,
        dropout=0.1,
        validate_every=40,
    ),
    "full": TrainingSettings(
        steps=1100,
        batch_size=32,
        learning_rate=1e-3,
        weight_decay=0.01,
        dropout=0.1,
        validate_every=100,
    ),
    "full, open_family": TrainingSettings(
        steps=3000,
        batch_size=32,
        learning_rate=1e-3,
        weight_decay=0.01,
        dropout=0.1,
        validate_every=100,
    ),
}


def settings_of(profile: str, track: str) -> TrainingSettings:
    """Settings of a profile; a track with a target of its own may have its own."""
    found = PROFILES.get(f"{profile}, {track}", PROFILES[profile])
    # Which number a dropout mask gets depends on how the work is split up, and on `systems` that is free.
    return replace(found, dropout=0.0) if track == "systems" else found
