"""Sending files as an attacker does: any name, any bytes."""

import httpx

CSV = b"x,colour,y\n" + b"".join(
    f"{index}.5,{'red' if index % 2 else 'blue'},{'a' if index % 3 else 'b'}\n".encode() for index in range(20)
)


def send(
    api: httpx.Client, content: bytes, filename: str = "table.csv", media_type: str = "", **fields: str
) -> httpx.Response:
    """The answer to an upload of `content` that calls itself `filename` and `media_type`."""
    file = (filename, content, media_type) if media_type else (filename, content)
    return api.post("/api/v1/datasets", files={"file": file}, data=fields)


def send_raw(api: httpx.Client, name: bytes, content: bytes = CSV) -> httpx.Response:
    """The answer to a form that is written by hand, so that `name` stands in it byte for byte."""
    body = b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n%s\r\n--frontier--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=frontier"}
    return api.post("/api/v1/datasets", content=body % (name, content), headers=headers)
