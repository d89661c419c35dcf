"""What MNIST fixed for everybody: the size of a digit, and how the classes are called."""

SIDE = 28
DIGITS = tuple("0123456789")
