"""Every input that ever found a fault, by target, kept small; `test_readers` replays them all."""

from tests.ingest.files import npy

LONG = b"{'descr': '<f4', 'fortran_order': False, 'shape': (%s,)}" % (b"9" * 5_000)
FOUND: dict[str, dict[str, bytes]] = {
    "archive": {
        "a label beyond Unicode, of which Python makes a text": b"y"
        + npy("'<U2'", (4,), b"a\0\0\0b\0a\0" + b"a\0\0\0\0\0\0\0" * 3),
        "a label beyond Unicode, of which Python makes none": b"y"
        + npy("'<U2'", (4,), b"a-\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00a\x00\x00\x00b\x00\x00\t".ljust(32, b"\0")),
        "a side of more digits than Python reads": b"x\x93NUMPY\1\0" + len(LONG).to_bytes(2, "little") + LONG,
    },
    "array": {
        "a type's old name, of which NumPy warns": npy("'a8'", (1,), bytes(8)),
        "a header of Python 2, of which NumPy warns": npy("'<f8'", (1,), bytes(8)).replace(b"(1,)", b"(1L)"),
    },
    "picture": {
        "an animation's header in the place of a picture's": bytes.fromhex(
            "89504e470d0a1a0a0000000d6163544c00000000000400000000001003f9000000c10f2d59"
        ),
    },
}
