"""Processors that this one can stand for: what libraries are told not to use."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llvmlite.binding

from bench.tables import read_json

AVX2 = "+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+lzcnt"
_AVX2 = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": AVX2,
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "FBGEMM_ENABLE_INSTRUCTIONS": "AVX2",
}
PROCESSORS: dict[str, dict[str, str]] = {
    "here": {},
    "avx2": _AVX2,
    "avxvnni": _AVX2
    | {"NUMBA_CPU_FEATURES": f"{AVX2},+avxvnni", "ONEDNN_MAX_CPU_ISA": "AVX2_VNNI"},
    "sse4": {
        "NUMBA_CPU_NAME": "nehalem",
        "NUMBA_CPU_FEATURES": "+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "ATEN_CPU_CAPABILITY": "default",
    },
}


def possible_processors() -> list[str]:
    """Return those whose instructions this processor has."""
    has = {name for name, present in llvmlite.binding.get_host_cpu_features().items() if present}
    return [
        name
        for name, variables in PROCESSORS.items()
        if {each[1:] for each in variables.get("NUMBA_CPU_FEATURES", "").split(",") if each} <= has
    ]


def report_of(module: str, processor: str, options: Sequence[str]) -> dict[str, Any]:
    """Run `module` as a child that believes to be on `processor`; return what its --json has."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        command = [sys.executable, "-m", module, "--child", processor, "--json", str(file)]
        environment = {**os.environ, **PROCESSORS[processor]}
        subprocess.run([*command, *options], env=environment, check=True)
        return read_json(file)
