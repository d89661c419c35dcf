"""From pictures' pixels to an index on disk: encode, search vectors, store, build."""
