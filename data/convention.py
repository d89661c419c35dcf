"""What MNIST fixed for everybody: the size of a digit, and what classes and sets are called."""

SIDE = 28
DIGITS = tuple("0123456789")
MNIST8M = "mnist8m"
