import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ffi_server import HERE, Server

TORCH_VENV = Path(os.environ.get("LINNET_TORCH_VENV", Path.home() / ".cache/linnet/torch-venv"))


@pytest.fixture
def start(tmp_path):
    """Starts servers; each must end well after the test and leave no worker behind."""
    servers = []

    def start_server(*options, **keywords):
        servers.append(Server(tmp_path / f"log{len(servers)}", *options, **keywords))
        return servers[-1]

    yield start_server
    for server in servers:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture(scope="session")
def empty_venv(tmp_path_factory):
    """A virtual environment with nothing in it."""
    directory = tmp_path_factory.mktemp("empty") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    return directory


@pytest.fixture(scope="session")
def fake_venv(tmp_path_factory):
    """A virtual environment with packages of transformers' and torch's shape, from the standard library only."""
    directory = tmp_path_factory.mktemp("fake") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    (site,) = directory.glob("lib/python3*/site-packages")
    shutil.copytree(HERE / "packages", site, dirs_exist_ok=True)
    return directory


@pytest.fixture(scope="session")
def torch_python():
    python = TORCH_VENV / "bin/python"
    if not python.is_file():
        pytest.skip(f"no virtual environment with transformers and torch in {TORCH_VENV} (LINNET_TORCH_VENV)")
    return python


@pytest.fixture(scope="session")
def tiny_models(torch_python, tmp_path_factory):
    """A directory with a model for each task, by the task's name."""
    directory = tmp_path_factory.mktemp("tiny")
    subprocess.run([torch_python, HERE / "tiny_models.py", "make", directory], check=True, stderr=subprocess.DEVNULL)
    return directory
