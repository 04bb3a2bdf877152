import pytest

from fake_hub import FakeHub
from hub_machine import DOWNLOADS, Machine


@pytest.fixture
def hub():
    server = FakeHub()
    yield server
    server.close()


@pytest.fixture
def machine(tmp_path, hub):
    return Machine(tmp_path / "home", hub)


@pytest.fixture(autouse=True)
def builds_differ(request):
    """A build without the headers of libcurl and OpenSSL reads the cache only."""
    if DOWNLOADS == ("without_downloads" in request.node.name):
        pytest.skip("this build downloads" if DOWNLOADS else "built without libcurl4-openssl-dev and libssl-dev")
