import os

import pytest


def pytest_collection_modifyitems(items):
    if os.environ.get("LINNET_EXHAUSTIVE"):
        return
    for item in items:
        if item.get_closest_marker("exhaustive"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: make exhaustive"))
