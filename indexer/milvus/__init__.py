"""An index in Milvus: where it is, how it is spoken to, what lies there.

`indexer.place` opens it where a place says so; else only `digits doctor` knows what lies there.
"""
