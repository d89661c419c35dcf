"""What goes wrong on disk, in what comes in and in between, made to happen on purpose.

`python -m tests.faults` tries every row of `registry.ROWS` and prints one table. A row is a
function of a prepared ground, a number of tries and a seed; it gives a tally. The product runs in
child processes only. Allowed are the reference answer, or a documented exit status with one line
that names the file; a signal, a traceback, a hang or another answer is a failure.
"""
