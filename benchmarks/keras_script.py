"""What a person would write instead of `digits search`: Keras loads, predicts; FAISS searches."""

from __future__ import annotations

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import faiss
import keras
import numpy as np
from PIL import Image, ImageOps

model_file, index_file, labels_file, picture = sys.argv[1:]
model = keras.saving.load_model(model_file, safe_mode=False)
index = faiss.read_index(index_file)
labels = np.load(labels_file)
grey = ImageOps.invert(Image.open(picture).convert("L")).resize((28, 28))
pixels = np.asarray(grey, np.float32)[None] / 255
distances, ids = index.search(model.predict(pixels.reshape(1, 784), verbose=0), 10)
for position, distance in zip(ids[0], distances[0], strict=True):
    print(position, labels[position], distance)
