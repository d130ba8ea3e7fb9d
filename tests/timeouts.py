"""How long a test waits for what must come: only so that one that hangs comes to an end."""

from __future__ import annotations

HANG_SECONDS = 180.0  # a busy machine may be slow without being wrong
