"""Behaviour of every package, on real digits."""
