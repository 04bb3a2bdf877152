"""Which cores service and load generator get."""

import os


def split():
    """-> cores of the service, cores of the generator (None: all of them), words for the report.

    With fewer than four cores both share all, as the origin's did: pinning would take half of the machine from the service.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 4:
        return None, None, f"service and load generator share all {len(cores)} cores, not pinned"
    of_service = len(cores) - max(1, len(cores) // 4)
    words = f"service pinned to {of_service} cores, load generator to the other {len(cores) - of_service}"
    return set(cores[:of_service]), set(cores[of_service:]), words


def of_service():
    """-> how many"""
    return len(split()[0] or os.sched_getaffinity(0))
