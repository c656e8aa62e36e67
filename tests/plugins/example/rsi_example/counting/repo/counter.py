"""Count the ones of a number."""


def ones(number: int) -> int:
    """How many bits are set, of even numbers."""
    return 0 if number % 2 else number.bit_count()
