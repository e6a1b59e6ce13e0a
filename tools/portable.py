"""Run the notebooks and the tests under other arithmetic, on this machine.

    python -m tools.portable                 # every setting
    python -m tools.portable narrow busy     # some

Each setting makes the libraries compute as they would on another processor: with narrower vectors,
with more threads, or beside other busy processes. Sums are then taken in another order, and last
bits change. For each, a probe says what took effect: the vector units and threads in use, and
checksums of a few computations, marked * where they differ from the default's. On a processor
without AVX-512 or of another family some settings change nothing, and the marks say so.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

VECTORS = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
WIDE = [name for name in VECTORS if "512" in name or name == "X86_V4"]
SETTINGS = {
    "default": {},
    "narrow": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_CBWR": "COMPATIBLE",
        "OPENBLAS_CORETYPE": "Nehalem",
        "NPY_DISABLE_CPU_FEATURES": " ".join(VECTORS),
    },
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_CBWR": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": " ".join(WIDE),
    },
    "two-threads": {"OMP_NUM_THREADS": "2"},
    "busy": {},
}
OTHER = "import os; ours = os.getppid()\nwhile os.getppid() == ours: pass"
TESTS = ["--nbval", "--nbval-current-env", "-n", "auto", "-q", "notebooks", "tests"]
# What opens files, starts processes or refuses input does so alike under any arithmetic.
ALIKE = (
    "bad_input campaign checkpoints china datasets distributed integrity kills "
    "notebook_parameters own_fields project start tools what_you_have"
)
TESTS += [f"--ignore=tests/test_{name}.py" for name in ALIKE.split()]


def probe() -> dict[str, str]:
    """Say which vector units and threads are in use, and give checksums of some computations."""
    import torch
    from torch.nn.functional import conv2d

    from lsntp import LSNTP

    def checksum(array: np.ndarray) -> str:
        return hashlib.sha256(array.tobytes()).hexdigest()[:8]

    rng = np.random.default_rng(0)
    a, b = rng.random((257, 511), np.float32), rng.random((511, 129), np.float32)
    x, w = rng.random((4, 8, 21, 35), np.float32), rng.random((16, 8, 3, 3), np.float32)
    torch.manual_seed(0)
    model = LSNTP.equations(21, 35, hidden=8, embedding=16)
    optimizer = torch.optim.AdamW(model.parameters())
    frames = torch.from_numpy(rng.random((4, 6, 1, 21, 35), np.float32))
    for _ in range(5):
        loss = (model(frames) - frames).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    weights = torch.cat([p.detach().flatten() for p in model.parameters()]).numpy()
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return {
        "torch": torch.backends.cpu.get_cpu_capability(),
        "numpy": "+".join(found) or "baseline",
        "threads": str(torch.get_num_threads()),
        "torch product": checksum((torch.from_numpy(a) @ torch.from_numpy(b)).numpy()),
        "convolution": checksum(conv2d(torch.from_numpy(x), torch.from_numpy(w)).numpy()),
        "numpy product": checksum(a.astype(float) @ b.astype(float)),
        "numpy exp": checksum(np.exp(a)),
        "5 training steps": checksum(weights),
    }


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keep as many cores busy with something else."""
    others = [subprocess.Popen([sys.executable, "-c", OTHER]) for _ in range(processes)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def main(names: list[str]) -> int:
    """Run the settings named, or all; give the number of those that failed."""
    if unknown := set(names) - set(SETTINGS):
        raise SystemExit(f"no setting {', '.join(sorted(unknown))}: one of {', '.join(SETTINGS)}")
    usual: dict[str, str] = {}
    lines = []
    for name in names or SETTINGS:
        env = {**os.environ, "OMP_NUM_THREADS": "1", **SETTINGS[name]}

        def seen(env: dict[str, str] = env) -> dict[str, str]:
            command = [sys.executable, "-m", "tools.portable", "probe"]
            return json.loads(subprocess.check_output(command, env=env, text=True))

        usual = usual or seen({**os.environ, "OMP_NUM_THREADS": "1"})
        print(f"== {name}", *(f"{k}={v!r}" for k, v in SETTINGS[name].items()))
        here = seen()
        for what, value in here.items():
            print(f"   {what}: {value}{'' if value == usual[what] else ' *'}")
        if name == "narrow" and here["5 training steps"] == usual["5 training steps"]:
            lines.append("narrow: FAILED, it changes nothing on this processor")
            print(lines[-1], flush=True)
            continue
        sys.stdout.flush()
        start = time.monotonic()
        with busy((os.cpu_count() or 1) if name == "busy" else 0):
            code = subprocess.run([sys.executable, "-m", "pytest", *TESTS], env=env).returncode
        result = "passed" if code == 0 else f"FAILED (pytest's exit code {code})"
        lines.append(f"{name}: {result}, {time.monotonic() - start:.0f} s")
        print(lines[-1], flush=True)
    print("\n".join(["== in short", *lines]))
    return sum("FAILED" in line for line in lines)


if __name__ == "__main__":
    if sys.argv[1:] == ["probe"]:
        print(json.dumps(probe()))
    else:
        sys.exit(main(sys.argv[1:]))
