"""Servers as fixtures; servers.py says which environment variables choose them."""
import shlex

import pytest

from servers import OTHER, Server, echo_command


@pytest.fixture(scope="session")
def any_server(tmp_path_factory):
    """The server under test with its default options: the echo server, or the one that LINNET_HTTP_SERVER names."""
    command = shlex.split(OTHER) if OTHER else echo_command()
    server = Server(command, tmp_path_factory.mktemp("server") / "log")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def echo(tmp_path_factory):
    """The echo server with its default options."""
    if OTHER:
        pytest.skip("needs the echo server")
    server = Server(echo_command(), tmp_path_factory.mktemp("echo") / "log")
    yield server
    server.stop()


@pytest.fixture
def start_echo(tmp_path):
    """Starts echo servers with options; each must end well after the test."""
    if OTHER:
        pytest.skip("needs the echo server")
    servers = []

    def start(**options):
        server = Server(echo_command(**options), tmp_path / f"log{len(servers)}")
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()
