"""What the environment's words for SageMaker's containers mean."""

import pytest

from app.settings import SettingsError, load


def test_sagemakers_containers_listen_where_it_looks_for_them_unless_said_otherwise() -> None:
    usual = load({"DROPNORM_SAGEMAKER": "on"})
    assert (usual.host, usual.port, usual.workers) == ("0.0.0.0", 8080, 0)
    assert usual.hosts == {"*"}
    usual.check_host()
    assert usual.keys_required
    other = load({"DROPNORM_SAGEMAKER": "on", "DROPNORM_PORT": "9000", "DROPNORM_WORKERS": "1"}, host="127.0.0.1")
    assert (other.host, other.port, other.workers) == ("127.0.0.1", 9000, 1)
    with pytest.raises(SettingsError, match="off is for loopback alone"):
        load({"DROPNORM_SAGEMAKER": "on", "DROPNORM_AUTH": "off"}).check_host()
