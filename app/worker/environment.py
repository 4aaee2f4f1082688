"""Where a run was computed: equal bits hold for one kind of processor and one set of libraries."""

import platform
from importlib.metadata import version
from pathlib import Path

import torch

LIBRARIES = ("torch", "numpy", "onnxruntime", "pyarrow", "pillow")


def environment() -> dict[str, str | int]:
    """Python, libraries, processor and threads of this process."""
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        "processor": _processor(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": torch.get_num_threads(),
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
