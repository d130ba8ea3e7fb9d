"""The kernel's functions, called one by one."""

from __future__ import annotations

import pytest
from numba.core.dispatcher import Dispatcher

from model.kernel import compilation, constraints, filters, forward, sampling, state, syllables


@pytest.fixture(autouse=True, scope="session")
def _kept_machine_code() -> None:
    """Keep what is compiled for tests alone, too: for seconds, in each run."""
    modules = (constraints, filters, forward, sampling, state, syllables)
    for function in [value for module in modules for value in vars(module).values()]:
        if isinstance(function, Dispatcher) and compilation.CACHE is not None:
            function.enable_caching()
