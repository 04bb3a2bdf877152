"""The README's table of families is what the tests say."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import families_table  # noqa: E402


def test_the_readme_has_what_the_tests_cover_and_nothing_else(covered, collected_files):
    if not collected_files >= set((ROOT / "tests/golden").glob("test_*.py")):
        pytest.skip("wants all of tests/golden collected beside it")
    assert families_table.table((ROOT / "README.md").read_text(encoding="utf-8")) == families_table.render(covered)
