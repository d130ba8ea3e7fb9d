"""Names of models: the bot's rule for those that are there, and the model side's for new ones."""

from __future__ import annotations

import pytest

from bot.core.names import is_device, is_name
from model import SettingError, check_name, safe_name

NAMES = ["dunes", "дюны", "2-dunes", "a_b", "x" * 64]
NO_NAMES = ["", "_book", "-x", "a/b", "..", "a b", "x" * 65, "a.b", "a\n", "C:", "a\\b", "\u202ea"]
DEVICES = ["con", "CON", "Prn", "aux", "nul", "com0", "COM9", "lpt1", "com²"]


@pytest.mark.parametrize("name", NAMES)
def test_a_new_name_is_one_that_is_read_again(name: str) -> None:
    assert is_name(check_name(name))


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_name_is_none_on_either_side(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(SettingError):
        check_name(name)


@pytest.mark.parametrize("name", DEVICES)
def test_no_new_model_is_called_like_a_device_of_windows(name: str) -> None:
    assert is_device(f"{name}.safetensors")
    with pytest.raises(SettingError, match="not a Windows device name"):
        check_name(name)
    assert check_name(safe_name(name)) == f"{name}-book"
