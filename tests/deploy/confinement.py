"""What an attacker would find inside: no root, nothing to write, no capability, no open port, no secret."""

import re
import subprocess

from tests.deploy.stack import Stack
from tests.deploy.telling import step, tell

CHUNK_BYTES = 16 << 20
IMAGE = "dropnorm-deploy-test"
NO_CAPABILITY = "0000000000000000"
CONFINED = ("api-1", "api-2", "worker", "proxy")
PROCESSES = "cat /proc/[0-9]*/status 2>/dev/null | grep -E '^(Pid|Uid|CapEff|CapBnd|NoNewPrivs):'"


def check_image(stack: Stack) -> None:
    """Says the image's size; it starts as nobody, and can install and compile nothing."""
    image = stack.inspect(IMAGE)
    tell(f"the image has {image['Size'] / 1e6:.0f} MB")
    assert image["Config"]["User"] == "dropnorm"
    assert image["Config"]["Healthcheck"]
    with step("the image has neither pip nor a compiler nor a file that gives its owner's rights"):
        programs = "-path '*/bin/*' '(' -name 'pip*' -o -name 'gcc*' -o -name 'cc' -o -name 'c++' -o -name 'ld' ')'"
        packages = "-path '*-packages/pip' -o -path '*-packages/setuptools' -o -name '*.whl'"
        search = f"find / -xdev '(' {programs} -o {packages} -o -type f -perm /6000 ')' ! -path '/proc/*'"
        found = stack.shell(f'docker run --rm --user 0 --network none --entrypoint sh {IMAGE} -c "{search}"')
        assert found == "", found


def check_confinement(stack: Stack) -> None:
    """Every container, by what its processes have and by trying."""
    with step("containers are not root, without capabilities, read-only; the database has no port"):
        running = stack.running()
        assert set(running) == {"database", "api-1", "api-2", "worker", "proxy"}, running
        for service, containers in running.items():
            for container in containers:
                _check_container(stack, service, container)
        networks = stack.shell(
            f"docker network ls --filter label=com.docker.compose.project={stack.project} --format '{{{{.Name}}}}'"
        ).split()
        outwards = {name for name in networks if not stack.inspect(name)["Internal"]}
        assert outwards == {f"{stack.project}_outside"}, outwards


def _check_container(stack: Stack, service: str, container: str) -> None:
    known = stack.inspect(container)
    assert known["HostConfig"]["ReadonlyRootfs"], service
    assert "no-new-privileges:true" in known["HostConfig"]["SecurityOpt"], service
    assert known["HostConfig"]["Memory"], service
    assert known["HostConfig"]["PidsLimit"], service
    assert known["HostConfig"]["LogConfig"]["Config"]["max-size"], service
    published = [port for ports in known["NetworkSettings"]["Ports"].values() for port in ports or []]
    wanted = [{"HostIp": "127.0.0.1", "HostPort": str(stack.port)}] if service == "proxy" else []
    assert published == wanted, (service, published)
    for process in stack.shell(f'docker exec {container} sh -c "{PROCESSES}"').split("Pid:")[1:]:
        has = dict(re.findall(r"^(\w+):\s+(\S+)", process, re.MULTILINE))
        first = process.split()[0] == "1"
        if service in CONFINED:
            assert has["Uid"] != "0", (service, process)
            assert has["CapBnd"] == NO_CAPABILITY, (service, process)
        # Docker's first process in the database's container, and what `docker exec` itself runs there, are root.
        elif not first and "postgres" in _name(stack, container, process.split()[0]):
            assert has["Uid"] != "0", (service, process)
            assert has["CapEff"] == NO_CAPABILITY, (service, process)
        assert has["NoNewPrivs"] == "1", (service, process)
    for place in ("/probe", "/etc/probe", "/opt/probe"):
        said = stack.shell(f"docker exec {container} sh -c 'touch {place} 2>&1' || true")
        assert "Read-only file system" in said or "Permission denied" in said, (service, place, said)
    if service in ("api-1", "api-2", "worker"):
        stack.shell(f"docker exec {container} sh -c 'touch /data/probe && rm /data/probe'")


def _name(stack: Stack, container: str, process: str) -> str:
    return stack.shell(f"docker exec {container} sh -c 'cat /proc/{process}/comm 2>/dev/null || true'")


def check_secrets(stack: Stack) -> None:
    """No password and no key in the image, in what the services write, and in what they tell of themselves."""
    with step("no secret in the image's layers and history, in the logs, in /openapi.json"):
        secrets = [*stack.secrets().values(), (stack.folder / "laptop.key").read_text().strip()]
        assert len(secrets) >= 3
        places = {
            "history": stack.shell(f"docker history --no-trunc {IMAGE}; docker inspect {IMAGE}").encode(),
            "logs": stack.logs().encode(),
            "openapi": stack.call("GET", "/openapi.json", key="").body,
        }
        assert len(places["logs"]) > 1000, places["logs"]
        for place, text in places.items():
            assert not [secret for secret in secrets if secret.encode() in text], place
        assert not _found(stack, [secret.encode() for secret in secrets]), "the image's layers hold a secret"


def _found(stack: Stack, secrets: list[bytes]) -> bool:
    """Does one of them stand in the image as it is handed on? Its layers lie there as plain archives."""
    with subprocess.Popen(["docker", "save", IMAGE], env=stack.environment, stdout=subprocess.PIPE) as saved:
        assert saved.stdout is not None
        before, found = b"", False
        while chunk := saved.stdout.read(CHUNK_BYTES):
            found = found or any(secret in before + chunk for secret in secrets)
            before = chunk[-256:]
    assert saved.returncode == 0
    return found
