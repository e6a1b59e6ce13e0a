"""Of all tests: notebook outputs are compared as numbers, and workers share the work finely."""

import pytest

pytest_plugins = ["tools.compare"]


@pytest.hookimpl(optionalhook=True)  # of xdist
def pytest_xdist_make_scheduler(config, log):
    """Hand out notebooks whole, the longest first, and then single tests."""
    from xdist.scheduler import LoadScopeScheduling

    class Shares(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid.split("::")[0] if ".ipynb::" in nodeid else nodeid

    return Shares(config, log)
