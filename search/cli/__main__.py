"""`python -m search.cli` is `digits`."""

from search.cli import main

main()
