"""How labelled sets are stored: array files, folders and tables, read without being trusted.

`data.datasets` opens them by name or path.
"""
