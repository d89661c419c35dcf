"""What the project claims in figures, measured; and the demo."""
