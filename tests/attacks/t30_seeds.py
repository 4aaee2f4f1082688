"""Small honest files of every kind that is read, to be changed."""

import functools
import gzip
import io

import numpy as np
import pyarrow
import pyarrow.parquet
from PIL import Image

from tests.attacks.uploads import CSV
from tests.ingest.files import archive, encoded, png, scene


@functools.cache
def seeds() -> dict[str, bytes]:
    """Each file by its name."""
    parquet, arrays = io.BytesIO(), io.BytesIO()
    table = pyarrow.table({"x": [0.5 + index for index in range(20)], "y": ["ab"[index % 2] for index in range(20)]})
    pyarrow.parquet.write_table(table, parquet)
    np.savez(arrays, x=np.zeros((12, 3), np.float32), y=np.arange(12) % 2)
    picture = encoded(Image.fromarray(scene(16, 16)))
    pictures = {f"{label}/{index}.png": png(shade=9 * index) for label in "ab" for index in range(3)}
    return {
        "table.csv": CSV,
        "table.tsv": CSV.replace(b",", b"\t"),
        "table.csv.gz": gzip.compress(CSV, mtime=0),
        "table.parquet": parquet.getvalue(),
        "arrays.npz": arrays.getvalue(),
        "pictures.zip": archive(pictures),
        "picture.png": picture,
    }
