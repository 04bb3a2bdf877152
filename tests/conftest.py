"""Keeps what the tests say they cover, before any are left out, for the README's table (tools/families_table.py). Sees to it that
what the tests start can be interrupted, also where they run in a shell's background or under nohup."""

import signal

import pytest

COVERED, FILES = pytest.StashKey(), pytest.StashKey()


def pytest_configure(config):
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)
    config.addinivalue_line("markers", "covers(family, task, precision): passing, the test shows that linnet does it")
    config.stash[COVERED], config.stash[FILES] = set(), set()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    for item in items:
        config.stash[FILES].add(item.path)
        for mark in item.iter_markers("covers"):
            config.stash[COVERED].add(mark.args)
            item.user_properties.append(("covers", " ".join(mark.args)))


@pytest.fixture
def covered(pytestconfig):
    """{(family, task, precision)} of all tests that were collected."""
    return pytestconfig.stash[COVERED]


@pytest.fixture
def collected_files(pytestconfig):
    return pytestconfig.stash[FILES]
