"""The models that may be handed in: one configurable byte-level transformer, and nothing else.

`fixed_model` pins every field of the configuration; `open_family` lets a candidate choose them within
the caps below. Does not: train, or look at any text.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from harness_kit import ArraySpec, InvalidArtifact

VOCABULARY = 128
"""Byte values; all text is ASCII."""
MAX_CONFIG_BYTES = 4096
MAX_LAYERS = 8
MAX_WIDTH = 512
MAX_CONTEXT = 512
"""Bytes of one window."""
MAX_HEADS = 16
"""Each head has a table of scores between all positions of a window; more would fill the grader's memory."""
WORK_PER_SCORE = 64
"""What one attention score costs besides its products (scale, mask, exponential, sum), in multiply-adds. In numpy it is 7
to 12 ns where a multiply-add of a large product is 0.06: with less, a narrow model of many heads outlasts its grader."""
WORK_PER_UNIT = 64
"""What the activation of one hidden unit of an MLP costs besides its products; 13 ns for gelu."""
NGRAM_ORDERS = (2, 3, 4, 5, 6)
"""Lengths of byte strings that may have hashed embeddings."""
MAX_NGRAM_ROWS = 1 << 17


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """What config.json says; the same keys, all required."""

    layers: int
    width: int
    heads: int
    context: int
    """Longest window the model sees; the hidden text is scored in windows of this length."""
    mlp_width: int
    """Hidden units of each block's MLP; 0 leaves the MLP out."""
    activation: str
    """"gelu" (tanh form), "relu" or "relu2" (squared relu)."""
    norm: str
    """"layernorm" (gain and bias) or "rmsnorm" (gain)."""
    position: str
    """"learned", "rotary" or "none"."""
    is_tied: bool
    """Whether the output head is the byte embedding."""
    ngram_orders: tuple[int, ...]
    """Lengths of the hashed byte strings, ending at the current byte, added to the input."""
    ngram_rows: int
    """Rows of each hashed table, a power of two; 0 when there are none."""

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "ngram_orders": list(self.ngram_orders)}


def read_config(value: object) -> ModelConfig:
    """A checked configuration.

    Raises:
        InvalidArtifact: Keys, types or sizes outside the family; the message names the first.
    """
    if not isinstance(value, Mapping):
        raise InvalidArtifact("config.json is not a JSON object")
    expected = {field.name for field in fields(ModelConfig)}
    if set(value) != expected:
        wrong = ", ".join(sorted(map(str, set(value) ^ expected)))
        raise InvalidArtifact(f"config.json has missing or unknown keys: {wrong}")
    _require_range(value, "layers", 0, MAX_LAYERS)
    _require_range(value, "width", 8, MAX_WIDTH)
    _require_range(value, "heads", 1, MAX_HEADS)
    _require_range(value, "context", 8, MAX_CONTEXT)
    _require_range(value, "mlp_width", 0, 4 * MAX_WIDTH)
    _require_range(value, "ngram_rows", 0, MAX_NGRAM_ROWS)
    _require_one_of(value, "activation", ("gelu", "relu", "relu2"))
    _require_one_of(value, "norm", ("layernorm", "rmsnorm"))
    _require_one_of(value, "position", ("learned", "rotary", "none"))
    _require_one_of(value, "is_tied", (False, True))
    _require_shape(value)
    return ModelConfig(**{**value, "ngram_orders": tuple(value["ngram_orders"])})


def weight_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every array of weights.npz; matrices are (outputs, inputs)."""
    width = config.width
    shapes: dict[str, tuple[int, ...]] = {"token_embedding": (VOCABULARY, width)}
    if config.position == "learned":
        shapes["position_embedding"] = (config.context, width)
    for order in config.ngram_orders:
        shapes[f"ngram_{order}_embedding"] = (config.ngram_rows, width)
    for layer in range(config.layers):
        prefix = f"layers.{layer}"
        shapes |= _norm_shapes(f"{prefix}.attention_norm", config)
        for matrix in ("query", "key", "value", "output"):
            shapes[f"{prefix}.{matrix}"] = (width, width)
        if config.mlp_width:
            shapes |= _norm_shapes(f"{prefix}.mlp_norm", config)
            shapes[f"{prefix}.mlp_up"] = (config.mlp_width, width)
            shapes[f"{prefix}.mlp_down"] = (width, config.mlp_width)
    shapes |= _norm_shapes("final_norm", config)
    if not config.is_tied:
        shapes["head"] = (VOCABULARY, width)
    return shapes


def parameter_count(config: ModelConfig) -> int:
    """Numbers in all arrays together."""
    total = 0
    for shape in weight_shapes(config).values():
        size = 1
        for length in shape:
            size *= length
        total += size
    return total


def multiplications_per_byte(config: ModelConfig) -> int:
    """Work of one forward pass per scored byte; bounds what grading costs: the hidden text and some 180 probed windows."""
    per_layer = 4 * config.width**2 + (2 * config.width + WORK_PER_UNIT) * config.mlp_width
    attention = (2 * config.width + WORK_PER_SCORE * config.heads) * config.context
    return config.layers * (per_layer + attention) + VOCABULARY * config.width


def array_specs(config: ModelConfig) -> dict[str, ArraySpec]:
    """What each array must be: float32, this shape, every value finite."""
    return {
        name: ArraySpec(dtypes=("float32",), shape=shape)
        for name, shape in weight_shapes(config).items()
    }


def require_affordable(
    config: ModelConfig, *, max_parameters: int, max_multiplications: int
) -> None:
    """Refuse models beyond the profile's caps.

    Raises:
        InvalidArtifact: Too many parameters or too much work per byte.
    """
    if (count := parameter_count(config)) > max_parameters:
        raise InvalidArtifact(f"the model has {count} parameters; the cap is {max_parameters}")
    if (work := multiplications_per_byte(config)) > max_multiplications:
        raise InvalidArtifact(
            f"the model needs {work} multiply-adds per byte; the cap is {max_multiplications}"
        )


def _norm_shapes(name: str, config: ModelConfig) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {f"{name}.gain": (config.width,)}
    if config.norm == "layernorm":
        shapes[f"{name}.bias"] = (config.width,)
    return shapes


def _require_range(value: Mapping[str, object], key: str, low: int, high: object) -> None:
    found = value[key]
    is_whole = isinstance(found, int) and not isinstance(found, bool)
    if not is_whole or not isinstance(high, int) or not low <= found <= high:  # type: ignore[operator]
        raise InvalidArtifact(
            f"config.json: {key} is {found!r}, expected a whole number from {low} to {high}"
        )


def _require_one_of(value: Mapping[str, object], key: str, allowed: tuple[object, ...]) -> None:
    found = value[key]
    if not any(
        found is choice or (isinstance(found, str) and found == choice) for choice in allowed
    ):
        raise InvalidArtifact(f"config.json: {key} is {found!r}, expected one of {allowed}")


def _require_shape(value: Mapping[str, object]) -> None:
    """Rules that tie two fields together."""
    width, heads, rows = int(value["width"]), int(value["heads"]), int(value["ngram_rows"])  # type: ignore[call-overload]
    if width % heads:
        raise InvalidArtifact(f"config.json: width {width} is not a multiple of heads {heads}")
    if value["position"] == "rotary" and (width // heads) % 2:
        raise InvalidArtifact("config.json: rotary positions need an even width per head")
    orders = value["ngram_orders"]
    is_list = isinstance(orders, list) and all(type(order) is int for order in orders)
    if not is_list or sorted(set(orders)) != orders or not set(orders) <= set(NGRAM_ORDERS):  # type: ignore[call-overload, type-var, arg-type]
        raise InvalidArtifact(
            f"config.json: ngram_orders is {orders!r}, expected a rising list out of {NGRAM_ORDERS}"
        )
    if bool(orders) != bool(rows) or (rows and rows & (rows - 1)):
        raise InvalidArtifact(
            f"config.json: ngram_rows is {rows}, expected a power of two, and 0 without ngram_orders"
        )
