"""JSON pointers (RFC 6901)."""


def pointer(*parts: str | int) -> str:
    """The pointer through `parts`: `pointer("rows", 3, "a/b")` is `/rows/3/a~1b`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
