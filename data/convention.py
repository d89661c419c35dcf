"""What MNIST fixed for everybody: the size of a digit, and how many there are."""

SIDE = 28
CLASSES = 10
