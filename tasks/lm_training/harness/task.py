"""Instances and grades of the lm_training task."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from harness_kit import (
    Check,
    Graded,
    InstanceFolder,
    InvalidArtifact,
    Part,
    Request,
    canonical_json,
    pcg64,
    read_json,
    read_npz,
)

from harness.corpus import write_text
from harness.equivalence import compare
from harness.family import (
    MAX_CONFIG_BYTES,
    ModelConfig,
    array_specs,
    parameter_count,
    read_config,
    require_affordable,
)
from harness.forward import Floats, NotFiniteError, bits_per_byte, without_specks
from harness.language import language_of
from harness.looking_ahead import complaint, probe_model
from harness.reference import REFERENCE_FILE, train_reference
from harness.selfcheck import run_checks

BOUND_TOLERANCE_BPB = 0.02
"""How far below the generator's own entropy a loss may fall by luck of a finite hidden text."""
WEIGHTS_FILE = "weights.npz"
CONFIG_FILE = "config.json"
MAX_TRAINING_SEED = 1 << 31
NPZ_OVERHEAD_BYTES = 1 << 20
"""Room for names and headers beside four bytes per parameter."""


class TrainingHarness:
    """Makes a fresh language for each instance; grades weights with its own forward pass."""

    def describe(self) -> Mapping[str, object]:
        return {
            "task": "lm_training",
            "pattern": "artifact",
            "artifact": [WEIGHTS_FILE, CONFIG_FILE],
            "quality": "hidden_bpb: bits per byte on hidden text of the instance's language; on the track systems "
            "also how far predictions, loss and gradients are from those of the starting trainer's weights",
            "is_recomputed": True,
            "metric": "CPU seconds of the whole candidate process, read by the host",
        }

    def instance(self, request: Request, public: Path, secret: Path) -> None:
        language = language_of(request, request.seed)
        bounds = {}
        for folder, name in ((public, "train"), (public, "validation"), (secret, "hidden")):
            size = request.integer(f"{name}_bytes")
            text = write_text(language, pcg64(request.seed, name), size=size)
            (folder / f"{name}.txt").write_bytes(text.content)
            bounds[name] = text.bits_per_byte
        settings = {
            "profile": request.profile,
            "track": request.track,
            "model": request.settings["model"],
            "is_model_pinned": request.settings["is_model_pinned"],
            "max_parameters": request.integer("max_parameters"),
            "max_multiplications": request.integer("max_multiplications"),
        }
        if _is_equivalence_judged(request):
            draw = pcg64(request.seed, "training_seed")
            settings["training_seed"] = int(draw.integers(MAX_TRAINING_SEED))
        (public / "settings.json").write_bytes(canonical_json(settings))
        if _is_equivalence_judged(request):
            train_reference(public=public, secret=secret, profile=request.profile)
        (secret / "bound.json").write_bytes(canonical_json({"hidden_bpb": bounds["hidden"]}))

    def grade(self, instance: InstanceFolder, artifact: Path) -> Graded:
        config = self._read_allowed_config(instance.request, artifact)
        count = parameter_count(config)
        arrays = _read_weights(config, artifact, WEIGHTS_FILE)
        hidden = (instance.secret / "hidden.txt").read_bytes()
        try:
            loss = bits_per_byte(config, arrays, hidden)
            gaps = self._gaps(instance, config, arrays, hidden)
        except NotFiniteError as problem:
            raise InvalidArtifact(str(problem)) from None
        bound = float(json.loads((instance.secret / "bound.json").read_bytes())["hidden_bpb"])
        is_possible = loss >= bound - BOUND_TOLERANCE_BPB
        text = np.frombuffer(hidden, dtype=np.uint8)
        leak = complaint(probe_model(config, arrays, text, instance.request.seed))
        reason = leak
        if not is_possible:
            reason = f"{loss:.4f} bits per byte is below the text's own entropy, {bound:.4f}: the hidden text leaked"
        digest = hashlib.sha256()
        for name in sorted(arrays):
            digest.update(name.encode() + arrays[name].tobytes())
        return Graded(
            outcome="tampered" if reason else "ok",
            reason=reason,
            quality={"hidden_bpb": loss, **gaps},
            parts=(
                Part(name="above_entropy_bpb", value=loss - bound, n=len(hidden)),
                Part(name="parameters", value=float(count), n=len(arrays)),
            ),
            guards=(
                Check(
                    name="not_below_entropy",
                    is_ok=is_possible,
                    evidence=f"hidden {loss:.4f}, entropy {bound:.4f} bits per byte",
                ),
                Check(
                    name="does_not_look_ahead",
                    is_ok=not leak,
                    evidence=leak or "other endings changed no prediction before them",
                ),
            ),
            hidden_reads=1,
            reply_digest=digest.hexdigest(),
        )

    def selfcheck(self, request: Request, workspace: Path) -> Sequence[Check]:
        return run_checks(request)

    def _gaps(
        self,
        instance: InstanceFolder,
        config: ModelConfig,
        arrays: Mapping[str, Floats],
        hidden: bytes,
    ) -> dict[str, float]:
        """Distances from the reference's weights; nothing on the tracks that have none."""
        if not _is_equivalence_judged(instance.request):
            return {}
        reference = _read_weights(config, instance.secret, REFERENCE_FILE)
        text = np.frombuffer(hidden, dtype=np.uint8)
        return asdict(compare(config, reference, arrays, text, instance.request.seed))

    def _read_allowed_config(self, request: Request, artifact: Path) -> ModelConfig:
        config = read_config(read_json(artifact, CONFIG_FILE, max_bytes=MAX_CONFIG_BYTES))
        if request.settings["is_model_pinned"] and config.as_json() != request.settings["model"]:
            raise InvalidArtifact(
                "config.json differs from the pinned model of settings.json, which the "
                f"{request.track} track does not allow"
            )
        require_affordable(
            config,
            max_parameters=request.integer("max_parameters"),
            max_multiplications=request.integer("max_multiplications"),
        )
        return config


def _is_equivalence_judged(request: Request) -> bool:
    return request.settings.get("is_equivalence_judged", False) is True


def _read_weights(config: ModelConfig, folder: Path, name: str) -> dict[str, Floats]:
    max_bytes = 4 * parameter_count(config) + NPZ_OVERHEAD_BYTES
    arrays = read_npz(folder, name, array_specs(config), max_bytes=max_bytes)
    return {key: without_specks(array) for key, array in arrays.items()}
