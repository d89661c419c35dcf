import os
import subprocess
import sys

import pytest

from data.processors import processors

COUNT = """
import os
from data.processors import processors
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
print(processors())
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes are not bound here")
def test_only_those_that_the_process_may_use_are_counted() -> None:
    bound = subprocess.run(
        [sys.executable, "-c", COUNT], capture_output=True, text=True, check=True
    )
    assert int(bound.stdout) == 1
    assert processors() == len(os.sched_getaffinity(0))
