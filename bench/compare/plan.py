"""Which loads are run, how long, in how many rounds."""

import dataclasses

from .load import Load

SWEEP = (1, 4, 16, 64, 256)  # connections
QUICK_SWEEP = (1, 32)


@dataclasses.dataclass(frozen=True)
class Plan:
    name: str
    rounds: int
    limit: float  # seconds; a round that would end later is not begun
    warm_up: int  # seconds
    loads: tuple


def sweep_key(clients):
    return f"sweep-{clients}"


def make_plan(name):
    """name: quick, default or full (locust as long as the origin's)"""
    quick = name == "quick"
    locust_seconds = {"quick": 5, "default": 60, "full": 180}[name]
    loads = [
        Load("hey-50", "hey, 50 clients", "hey", 50, 100 if quick else 1000, origin=True),
        Load("hey-15", "hey, 15 clients", "hey", 15, 45 if quick else 150),
        Load("hey-1", "hey, 1 client", "hey", 1, 20 if quick else 200),
        Load("mixed", "wrk, 16 clients, mixed lengths", "wrk", 16, 2 if quick else 6, mixed=True),
        Load(
            "locust",
            "locust, 15 users",
            "locust",
            15,
            locust_seconds,
            first_round_only=True,
            origin=True,
            spawn_rate=15 if quick else 1,
        ),
    ]
    for clients in QUICK_SWEEP if quick else SWEEP:
        title = f"wrk, {clients} client{'s' if clients > 1 else ''}"
        loads.append(Load(sweep_key(clients), title, "wrk", clients, 2 if quick else 4, first_round_only=True))
    limits = {"quick": 270, "default": 33 * 60, "full": 50 * 60}
    return Plan(name, 1 if quick else 3, limits[name], 1 if quick else 2, tuple(loads))
