"""Where digits come from: MNIST, other labelled sets, and the pictures people hand in.

Everything that leaves this package is a 28x28 digit in the MNIST convention, or an error.
"""
