"""Cuts the example pictures out of the two photographs that scikit-learn ships: `python examples/make_pictures.py`."""

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

HERE = Path(__file__).parent
SIDE = 48
PICTURES = 80
REGIONS = {
    # class: photograph, and the left, top, right and bottom edges of the region that its pictures are cut from
    "dahlia": ("flower.jpg", (185, 90, 440, 350)),
    "pagoda": ("china.jpg", (90, 50, 325, 350)),
    "trees": ("china.jpg", (345, 285, 640, 427)),
}


def cut(rng: np.random.Generator, name: str) -> bytes:
    """One picture of a class as a JPEG file: a random square of its region, mirrored or not."""
    photograph, (left, top, right, bottom) = REGIONS[name]
    x, y = int(rng.integers(left, right - SIDE)), int(rng.integers(top, bottom - SIDE))
    picture = load_sample_image(photograph)[y : y + SIDE, x : x + SIDE]
    picture = picture[:, ::-1] if rng.integers(2) else picture
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(file, "JPEG", quality=85)
    return file.getvalue()


def main() -> None:
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(HERE / "pictures.zip", "w", zipfile.ZIP_STORED) as archive:
        for name in REGIONS:
            for index in range(PICTURES):
                entry = zipfile.ZipInfo(f"{name}/{index:03}.jpg", (2026, 1, 1, 0, 0, 0))
                archive.writestr(entry, cut(rng, name))
    (HERE / "held-out").mkdir(exist_ok=True)
    for name in REGIONS:
        (HERE / "held-out" / f"{name}.jpg").write_bytes(cut(rng, name))


if __name__ == "__main__":
    main()
