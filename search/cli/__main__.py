"""`python -m search.cli` is `digits`."""

from search.start import run

run()
