"""An index in Milvus: where it is, how it is spoken to, what lies there.

Nothing outside of this package knows Milvus; `indexer.place` opens it where a place says so.
"""
