"""How slow the build under test may be.

A bound on time is for a release. Under a sanitizer the same work takes up to ten times as long, on a machine that may be slow and
busy besides: bounds are multiplied by SLOWNESS there. Waits that only end what hangs are long in every build.
"""
import os
from pathlib import Path

BUILD = Path(__file__).resolve().parents[1] / os.environ.get("LINNET_BUILD", "build/release")


def is_sanitized(executable):
    code = executable.read_bytes() if executable.exists() else b""
    return b"libasan.so" in code or b"libtsan.so" in code


SLOWNESS = 10 if is_sanitized(BUILD / "linnet") else 1
