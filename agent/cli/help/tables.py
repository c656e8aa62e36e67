"""Exit codes and environment variables with their meanings: the one list that `--help`, topics, manual and docs show."""

import textwrap

EXIT_CODES: tuple[tuple[int, str], ...] = (
    (0, "done"),
    (1, "the answer is no"),
    (2, "wrong words"),
    (3, "not found"),
    (4, "refused at the gate"),
    (5, "something needed is not available"),
    (6, "bad input"),
    (70, "internal error"),
    (130, "interrupted"),
)
ENVIRONMENT: tuple[tuple[str, str], ...] = (
    ("RSI_HOME", "where data is kept"),
    ("RSI_CACHE", "where environments are kept"),
    ("RSI_DATABASE_URL", "PostgreSQL instead of SQLite"),
    ("RSI_TASKS", "folders with your tasks"),
    ("RSI_LINEAGES_URL", "git server that machines share lineages through"),
    (
        "RSI_MAX_LIMITS",
        'what a sandbox may use at most, such as "memory_mb=8192 wall_s=3600"',
    ),
    ("RSI_LEASE_DIR", "one folder for the locks of all who measure on this machine"),
    ("RSI_BASE_IMAGE", "what images are built from"),
    ("RSI_PIP_INDEX_URL", "where images get Python packages from"),
    ("RSI_CA_BUNDLE", "certificates that images trust besides"),
    ("RSI_WHEEL_DIR", "folder of wheels that images are built with"),
    ("<PROVIDER>_API_KEY", "key of a model provider, such as ANTHROPIC_API_KEY"),
    ("RSI_<PROVIDER>_KEY_COMMAND", "prints the key"),
    ("RSI_<PROVIDER>_BASE_URL", "where the provider's API is"),
    ("RSI_PRICES", "file with prices of models"),
)


def exit_codes_line() -> str:
    """All codes in a paragraph of at most 100 columns."""
    said = "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES)
    return textwrap.fill(f"exit codes: {said}", 100, subsequent_indent=" " * 12)


def environment_lines() -> str:
    """A variable a line, below one heading."""
    width = max(len(name) for name, _ in ENVIRONMENT)
    return "environment:\n" + "\n".join(
        f"  {name:<{width}}  {meaning}" for name, meaning in ENVIRONMENT
    )
