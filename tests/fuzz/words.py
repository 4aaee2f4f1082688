"""The words that mutation puts into inputs: without them chance would not spell a field's name."""

from typing import get_args

from app.domain.network.layers import AnyLayer, Function, Initializer

JSON = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "null",
    "true",
    "false",
    "NaN",
    "-Infinity",
    "1e400",
    "0.5",
    "-0",
    "\\ud800",
    '""',
]
CSV = ['"', '""', ",", ";", "\t", "|", "\r\n", "\r", "\n", "NA", "nan", "inf", "1e39", "2024-02-29", "true", "no"]
NPY = ["'descr': '", "'fortran_order': True", "'shape': (", "<f8", ">f4", "|u1", "<U9", "|O", "|V8", "<f2", "L, ", "-1"]
CHUNKS = ["IHDR", "IDAT", "IEND", "PLTE", "tRNS", "iCCP", "zTXt", "iTXt", "acTL", "eXIf", "gAMA", "pHYs", "Exif"]
MARKERS = [
    "\\xff\\xd8",
    "\\xff\\xe1",
    "\\xff\\xee",
    "\\xff\\xc0",
    "\\xff\\xc2",
    "\\xff\\xda",
    "\\xff\\xdd",
    "\\xff\\xd9",
]


def words(target: str) -> str:
    """The words of `target` as a libFuzzer dictionary."""
    found = {
        "table": [*CSV, *JSON],
        "rows": [*CSV, *JSON, "bill_length_mm", "tagged", "island", "seen", "year", "species", "Biscoe"],
        "network": [*JSON, *_of_networks()],
        "archive": [*NPY, "PK\\x03\\x04", "PK\\x01\\x02", "PK\\x05\\x06", "x.npy", "y.npy"],
        "array": NPY,
        "picture": [*CHUNKS, *MARKERS],
    }
    return "".join(f'"{_escaped(word)}"\n' for word in found[target])


def _of_networks() -> list[str]:
    kinds = get_args(get_args(AnyLayer)[0])
    fields = dict.fromkeys(field for kind in kinds for field in kind.model_fields)
    types = [get_args(kind.model_fields["type"].annotation)[0] for kind in kinds]
    pairs = [f'{{"type": "{name}"}}' for name in types]
    return ["input_shape", "layers", "name", *fields, *types, *pairs, *get_args(Function), *get_args(Initializer)]


def _escaped(word: str) -> str:
    r"""As libFuzzer reads it: `\xAB`, `\\` and `\"` are its only escapes. A byte that is given by number stays."""
    plain = word if word.startswith("\\x") or "\\x" in word else word.replace("\\", "\\\\")
    return "".join(f"\\x{ord(letter):02x}" if letter in '\r\n\t"' else letter for letter in plain)
