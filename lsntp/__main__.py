"""``python -m lsntp``: the command, also for torchrun."""

from lsntp.cli import app

app(prog_name="lsntp")
