"""Fixtures of all tests. None needs a network."""

import os
from pathlib import Path

import pytest

from lsntp.data.datasets import REAL, data_dir


@pytest.fixture
def real_data() -> Path:
    """Folder that holds the real data; skips without it, or fails if LSNTP_REQUIRE_DATA=1."""
    missing = {
        e.file.filename for e in REAL.values() if not (data_dir() / e.file.filename).exists()
    }
    if missing:
        say = f"{', '.join(sorted(missing))} not in {data_dir()} (LSNTP_DATA_DIR)"
        if os.environ.get("LSNTP_REQUIRE_DATA") == "1":
            pytest.fail(say)
        pytest.skip(say)
    return data_dir()
