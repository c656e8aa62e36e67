"""Which backends tests run on; a campaign takes the quickest with walls, so that an engine on this machine costs it nothing."""

import os
from functools import cache

import pytest

from rsi.sandboxes.errors import BackendUnavailableError
from rsi.sandboxes.select import QUICKEST_FIRST, choose_backend
from rsi.sandboxes.types import Backend


def require(backend: Backend) -> Backend:
    """The backend, or a skip that says why; RSI_REQUIRE_BACKENDS turns the skip into a failure."""
    availability = backend.availability()
    if not availability.is_available:
        if backend.name in os.environ.get("RSI_REQUIRE_BACKENDS", "").split(","):
            pytest.fail(f"{backend.name} is required here: {availability.reason}")
        pytest.skip(f"{backend.name}: {availability.reason}")
    return backend


@cache
def quickest_backend() -> str:
    """Its name; the plain process only where there is no wall to be had."""
    for name in QUICKEST_FIRST:
        try:
            return choose_backend(name).backend.name
        except BackendUnavailableError:
            continue
    return "process"
