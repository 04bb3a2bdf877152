"""Fixtures: servers that end with the tests."""
import pytest

from service import Service


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The embedded model with the defaults."""
    service = Service(tmp_path_factory.mktemp("serve") / "log")
    yield service
    assert service.end() == 0


@pytest.fixture
def serve(tmp_path):
    """Starts servers with other options; all are ended with the test."""
    started = []

    def start(*arguments, **options):
        started.append(Service(tmp_path / f"log{len(started)}", *arguments, **options))
        return started[-1]

    yield start
    for service in started:
        service.end()
