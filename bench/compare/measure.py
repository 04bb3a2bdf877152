"""What a load costs: CPU time and memory of a service's processes, and what else kept the machine busy meanwhile."""

import contextlib
import os
import resource
import time

from . import processes

TICKS = os.sysconf("SC_CLK_TCK")
DISTURBED = 0.05  # of a core, by anything that is neither service, generator nor this program
RESOLUTION = 0.05  # seconds; /proc/stat counts in ticks, so a short window is not called disturbed for a few of them


def parse_machine_seconds(text):
    """/proc/stat -> CPU seconds of all processes and what the hypervisor gave to others, all cores together.

    Interrupts are left out: those that come here are the load's own, over the loopback device.
    """
    user, nice, system, _idle, _wait, _irq, _softirq, stolen = map(int, text.split("\n", 1)[0].split()[1:9])
    return (user + nice + system + stolen) / TICKS


def machine_seconds():
    with open("/proc/stat") as file:
        return parse_machine_seconds(file.read())


def parse_process_seconds(text):
    """/proc/PID/stat -> CPU seconds of the process and of its children that have ended"""
    fields = text.rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def service_seconds(pid):
    total = 0.0
    for member in processes.tree(pid):
        with contextlib.suppress(OSError), open(f"/proc/{member}/stat") as file:
            total += parse_process_seconds(file.read())
    return total


def own_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_mib(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


def memory(pid):
    """-> MiB resident: of all the service's processes, and of the first alone"""
    return {"resident_mib": sum(map(resident_mib, processes.tree(pid))), "first_mib": resident_mib(pid)}


def is_disturbed(other_seconds, wall):
    return other_seconds > DISTURBED * wall + RESOLUTION


class Window:
    """CPU seconds from here to close() of a service, of a generator that has ended since, and of everything else."""

    def __init__(self, pid):
        self.pid, self.wall = pid, time.monotonic()
        self.machine, self.service, self.own = machine_seconds(), service_seconds(pid), own_seconds()

    def close(self, generator_seconds):
        wall = time.monotonic() - self.wall
        service = service_seconds(self.pid) - self.service
        own = own_seconds() - self.own
        other = max(0.0, machine_seconds() - self.machine - service - own - generator_seconds)
        return {
            "wall": wall,
            "service_cpu": service,
            "generator_cpu": generator_seconds,
            "other_cpu": other,
            "disturbed": is_disturbed(other, wall),
        }
