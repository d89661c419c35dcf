"""What is wrong with an installation, an index or an embedder, and the command that mends it.

Every check gives findings and leaves all as it is. A check never fails: what it meets is what it
tells. So a broken package, a damaged index and a locked one can all be seen in one run.
"""
