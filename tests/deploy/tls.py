"""TLS at the proxy, with a certificate as an operator puts it there."""

import subprocess

from tests.deploy.stack import Stack
from tests.deploy.telling import step

MAKE = """
cd deploy/proxy/tls
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 \
    -keyout key.pem -out authority.pem 2>/dev/null
cat authority.pem key.pem >certificate.pem
chmod 644 certificate.pem
"""


def check_tls(stack: Stack) -> None:
    """With DROPNORM_TLS=on the port speaks TLS and nothing else; off again, it is as before."""
    with step("DROPNORM_TLS=on: the port speaks TLS alone"):
        # Readable by all, since only root could give it to the proxy's user.
        stack.shell(MAKE)
        stack.shell("docker compose up --detach --no-deps proxy", DROPNORM_TLS="on")
        secure = stack.address.replace("http:", "https:") + "/readyz"
        ask = [
            "curl",
            "-si",
            "--max-time",
            "5",
            "--cacert",
            str(stack.folder / "deploy/proxy/tls/authority.pem"),
            secure,
        ]
        stack.until(lambda: b" 200" in subprocess.run(ask, capture_output=True).stdout, 60, "TLS answers")
        assert b"strict-transport-security: max-age=" in subprocess.run(ask, capture_output=True).stdout.lower()
        assert stack.call("GET", "/readyz", key="").status in (0, 400)
        stack.shell("docker compose up --detach --no-deps proxy")
        stack.ready()
