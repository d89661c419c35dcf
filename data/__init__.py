"""Where digits come from: MNIST, other labelled sets, and the pictures people hand in.

Digits leave this package as 28x28 in the MNIST convention, or as an error. What all packages share
(files, sealed records, figures) lies here too.
"""
