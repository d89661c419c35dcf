# ruff: noqa: F401
"""What the server that children are forked from has imported, so that a try costs milliseconds."""

import os

# One thread each: a server with threads must not be forked, and children share the processors.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import indexer.build
import search.answers
import search.cli
import search.grow
import search.index
import search.queries
import search.report
