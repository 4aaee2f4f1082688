"""Where mutation starts: small honest inputs for each target, and some that are odd."""

import gzip
import io
import json
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from tests.data.test_rows import as_csv, as_sent
from tests.fuzz.shells import X, Y
from tests.ingest.files import archive, deep_png, encoded, npy, npz, png, png_chunks, scene
from tests.service import EXAMPLES, HOME

SHARED = HOME.parent / "shared" / "data"
TABLES = (
    b"length,island,species\n1.5,Torgersen,Adelie\n2.5,Biscoe,Gentoo\n,NA,Adelie\n4e3,Biscoe,Gentoo\n",
    b'a;b;c\r\n"x ""y""";2024-02-29;yes\r\n"two\r\nlines";2023-01-01T10:00:00Z;no\r\n',
    "\ufeffname\tvalue\ttarget\nÅsa\t1\t0.5\nBob\t2\t1.5\nBob\t3\t2.5\n".encode(),
    "a,b\n1,x\n2,y\n".encode("utf-16"),
    b",x,y\n0,1,a\n1,2,b\n2,inf,a\n",
    b"x,y\n1,a\n2\n",
)
ROWS = (
    b'[{"x": 1, "colour": "red", "y": "a"}, {"x": null, "colour": "blue", "y": "b"}, {"x": 2.5, "y": "a"}]',
    b'[{"x": true, "y": 1e3}, {"x": false, "y": -2}, {"x": true, "y": 0.25}]',
)
LAYERS = (
    {"type": "dense", "units": 4, "activation": "relu", "max_norm": 3.0, "initializer": "he_normal"},
    {"type": "batch_normalization", "momentum": 0.9, "epsilon": 1e-5, "center": True, "scale": False},
    {"type": "layer_normalization"},
    {"type": "gaussian_noise", "stddev": 0.1},
    {"type": "dropout", "rate": 0.5},
    {"type": "flatten"},
    {"type": "dense"},
    {"type": "activation", "function": "softmax"},
)


def seeds(target: str) -> list[bytes]:
    """The inputs that fuzzing of `target` starts from; the examples and shared files only where they are there."""
    return _MAKERS[target]()


def _tables() -> list[bytes]:
    text = [bytes([place]) + content for place, content in enumerate(TABLES)]
    penguins = b"".join((EXAMPLES / "penguins.csv").read_bytes().splitlines(keepends=True)[:8])
    zipped = gzip.compress(TABLES[0], mtime=0)
    return [*text, b"\1" + penguins, b"\3" + TABLES[2], b"\4" + zipped, *(b"\5" + rows for rows in ROWS)]


def _archives() -> list[bytes]:
    x, y = np.arange(8, dtype=np.float32).reshape(4, 2), np.array(["a", "b", "a", "b"])
    whole = (npz(x=x, y=y), npz(compressed=True, x=x, y=y), archive({"x.npy": X, "y.npy": Y}))
    xs = (X, npy("'|u1'", (4, 2, 2, 3), bytes(48)), npy("'<i8'", (4, 1), bytes(32), fortran=True))
    ys = (Y, npy("'<U2'", (4,), "abaab".encode("utf-32-le")[:32].ljust(32, b"\0")), npy("'|b1'", (4,), b"\1\0\1\0"))
    return [*(b"z" + file for file in whole), *(b"x" + file for file in xs), *(b"y" + file for file in ys)]


def _pictures() -> list[bytes]:
    smooth = Image.fromarray(scene(12, 16))
    palette = smooth.quantize(8)
    turned = Image.Exif()
    turned[0x0112] = 6
    text = zlib.compress(b"a comment")
    header = b"\0\0\0\2\0\0\0\2\10\3\0\0\0"
    chunks = ((b"IHDR", header), (b"PLTE", bytes(12)), (b"tRNS", b"\0\x80"), (b"zTXt", b"k\0\0" + text))
    indexed = png_chunks(*chunks, (b"IDAT", zlib.compress(b"\0\0\1\0\1\2")), (b"IEND", b""))
    return [
        png(4, 4),
        encoded(palette, transparency=0),
        encoded(smooth.convert("LA")),
        deep_png(np.arange(12, dtype=np.uint16).reshape(3, 4) * 5_000),
        indexed,
        encoded(smooth, "JPEG", quality=30),
        encoded(smooth, "JPEG", quality=30, exif=turned, progressive=True),
        encoded(smooth.convert("CMYK"), "JPEG", quality=30),
    ]


def _networks() -> list[bytes]:
    specs = [(path).read_bytes() for path in sorted((EXAMPLES / "networks").glob("*.json"))]
    keras = [path.read_bytes() for path in _shared("keras-*.json")]
    every = json.dumps({"name": "every", "input_shape": [8], "layers": LAYERS}).encode()
    pictures = json.dumps({"input_shape": [4, 4, 3], "layers": [LAYERS[5], LAYERS[6]]}).encode()
    return [*specs, *keras, every, pictures, b'{"layers": [{"type": "dense", "units": 1e400}]}', b"[NaN]"]


def _arrays() -> list[bytes]:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(4, dtype=np.float64).reshape(2, 2))
    return [buffer.getvalue(), X, Y, npy("'>f2'", (2, 2), bytes(8), fortran=True), npy("'|O'", (1,), b"\x80\4N.")]


def _rows() -> list[bytes]:
    sent = as_sent()
    lists = json.dumps([list(row.values()) for row in sent[:3]]).encode()
    return [as_csv(sent[:4]).encode(), json.dumps(sent[:4]).encode(), lists, b'[{"year": 1e39}]', b"year\nnan\n"]


def _shared(pattern: str) -> list[Path]:
    return sorted(SHARED.glob(pattern))


_MAKERS = {
    "table": _tables,
    "archive": _archives,
    "picture": _pictures,
    "network": _networks,
    "array": _arrays,
    "rows": _rows,
}
