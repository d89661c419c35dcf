"""From pictures' pixels to an index on disk: encode, search vectors, store, build."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # which ONNX Runtime reads when it is imported
