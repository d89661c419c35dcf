"""`python -m search.cli` is `digits`."""

from search.cli import run

run()
