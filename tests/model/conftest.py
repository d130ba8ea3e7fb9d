"""What tests of the model share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model.small_model import make_network, save


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "walks.safetensors"
    save(path, make_network())
    return path
