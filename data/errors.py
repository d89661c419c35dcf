"""Every error this project raises on purpose, and nothing else.

Libraries raise these; only the command line and the web turn them into words and statuses. A
message is one line: what was expected, what came, what to do.

    DigitsError
    ├── UsageError              an argument that cannot be meant (k = 0, unknown recipe)
    ├── DatasetError
    │   ├── DatasetNotFound     no such dataset here, and no way to fetch it
    │   ├── DatasetCorrupt      damaged: wrong hash, truncated, wrong magic or count
    │   └── DatasetInvalid      readable, but not a labelled set of digits
    ├── PictureError
    │   ├── PictureUnreadable   missing, not an image, truncated, too large
    │   │   └── PictureTooLarge     more pixels than were allowed
    │   ├── PictureBlank        an image with nothing on it as large as a digit
    │   └── PictureNotDigits    an image with much on it that cannot be digits: noise, texture
    ├── EmbedderError
    │   ├── EmbedderNotFound    no embedder in this folder
    │   ├── EmbedderCorrupt     damaged, or it no longer computes what it did
    │   └── EmbedderMismatch    another embedder (or normaliser) than the index was built with
    ├── StoreError
    │   ├── IndexNotFound       no index in this folder
    │   ├── IndexCorrupt        a file is missing, damaged or not what the manifest says
    │   ├── IndexVersion        written in a format this program does not read
    │   ├── IndexLocked         another process is writing this index, or training here
    │   └── StoreUnreachable    the server that keeps it does not answer, or lets nobody in
    ├── StorageError            the disk is full, or a folder or file cannot be read or written
    ├── ClusterFailed           a Ray cluster cannot be reached, or did not do its work
    ├── TrainingError           training or export did not give a usable embedder
    └── MissingExtra            the command needs an optional dependency
"""

from __future__ import annotations


class DigitsError(Exception):
    """Base of the family; catch this to catch them all."""


class UsageError(DigitsError):
    """An argument out of range or unknown."""


class DatasetError(DigitsError):
    """A dataset cannot be used."""


class DatasetNotFound(DatasetError):
    """The dataset is not here and cannot be fetched."""


class DatasetCorrupt(DatasetError):
    """A dataset file is damaged."""


class DatasetInvalid(DatasetError):
    """The files are readable but are not a labelled set of digits."""


class PictureError(DigitsError):
    """A picture cannot be used as a query."""


class PictureUnreadable(PictureError):
    """The file is missing, not an allowed image, damaged or too large."""


class PictureTooLarge(PictureUnreadable):
    """The picture has more pixels than were allowed."""


class PictureBlank(PictureError):
    """The picture holds no ink, or no mark as large as a digit."""


class PictureNotDigits(PictureError):
    """What the picture shows is no drawing of digits: noise, texture, far too many marks."""


class EmbedderError(DigitsError):
    """An embedder cannot be used."""


class EmbedderNotFound(EmbedderError):
    """The folder holds no embedder."""


class EmbedderCorrupt(EmbedderError):
    """The embedder's files are damaged or compute something else than recorded."""


class EmbedderMismatch(EmbedderError):
    """The embedder is not the one the index was built with."""


class StoreError(DigitsError):
    """An index directory cannot be used."""


class IndexNotFound(StoreError):
    """The folder holds no index."""


class IndexCorrupt(StoreError):
    """A file of the index is missing or is not what the manifest promises."""


class IndexVersion(StoreError):
    """The index was written in another format version."""


class IndexLocked(StoreError):
    """Another process holds the lock of a folder that only one may write."""


class StoreUnreachable(StoreError):
    """The server that keeps the index does not answer in time, or refuses who asks."""


class StorageError(DigitsError):
    """Reading or writing failed: disk full, read-only folder, quota, no permission."""


class ClusterFailed(DigitsError):
    """A Ray cluster cannot be reached, is of another version, or did not do its work."""


class TrainingError(DigitsError):
    """Training or export failed to give a usable embedder."""


class CheckpointUnusable(TrainingError):
    """There is no checkpoint that this training run can go on from."""


class MissingExtra(DigitsError):
    """An optional dependency is not installed."""
