"""The dialect's page of Quill's specification, in words, from the dialect itself."""

from harness.dialect import Dialect

_DIVISION = {
    "truncate": "rounds towards zero, and the rest has the sign of the left side",
    "floor": "rounds down, and the rest has the sign of the right side",
    "euclid": "leaves a rest that is never negative",
}
_TRUTH = {
    "nonzero": "every number but 0 is true; a comparison gives 1 or 0",
    "positive": "numbers above 0 are true; a comparison gives 1 or 0",
    "nonnegative": "0 and numbers above it are true; a comparison gives 0 when it holds and -1 when it does not",
}
_CAPTURE = {
    "value": "copies of the variables around it, made when the `fn` is evaluated; every call starts from these copies",
    "reference": "the variables around it themselves: what one side assigns, the other sees",
}


def specification(dialect: Dialect, number: int) -> str:
    """Markdown for one dialect of an instance."""
    strengths = []
    for number, (group, is_right) in enumerate(
        zip(dialect.precedence, dialect.right_associative, strict=True), 1
    ):
        side = "right" if is_right else "left"
        strengths.append(f"{number}. `{' '.join(group)}` ({side}-associative)")
    order = "left to right" if dialect.order == "left" else "right to left"
    logic = (
        "`and` and `or` leave their second operand out when the first decides"
        if dialect.logic == "short"
        else "`and` and `or` always evaluate both operands"
    )
    return "\n".join(
        [
            f"# Dialect {number} of Quill", "",
            "The same choices stand in `dialects.json`. LANGUAGE.md says what all dialects share.", "",
            "Binary operators, loosest first:", "", *strengths, "",
            f"- Numbers have {dialect.bits} bits, two's complement, and wrap.",
            f"- Division {_DIVISION[dialect.division]}.",
            f"- Operands, arguments, elements and the parts of an assignment are evaluated {order}.",
            f"- Truth: {_TRUTH[dialect.truth]}.",
            f"- {logic}. The operand that is evaluated first is the {'left' if dialect.order == 'left' else 'right'} one.",
            f"- A function value captures {_CAPTURE[dialect.capture]}.",
            f"- Of several arms of a `match` that fit, the {dialect.match} one is taken.",
            f"- The first element of a list has index {dialect.index}.",
            f"- Trap codes: division by zero {dialect.zero_code}, index out of range {dialect.index_code}, "
            f"no arm fits {dialect.match_code}.",
            "",
        ]
    )  # fmt: skip
