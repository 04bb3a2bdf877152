"""Results as the report needs them: medians over the rounds, differences, marks. Times in seconds, memory in MiB."""

import statistics


class Summary:
    """Looks into results.json's contents. A value that was not measured is None."""

    def __init__(self, results):
        self.results, self.head, self.contestants = results, results["head"], results["contestants"]

    def measured(self):
        """-> contestants with at least one measurement, in order"""
        return [key for key in self.contestants if any(m["contestant"] == key for m in self.results["measurements"])]

    def failed(self):
        return [key for key, state in self.contestants.items() if state["status"] == "failed"]

    def title(self, key):
        return self.contestants[key]["title"] if key in self.contestants else key

    def of(self, key, load):
        return [m for m in self.results["measurements"] if m["contestant"] == key and m["load"] == load]

    def values(self, key, load, *path):
        """-> one value a round, as results[path[0]][path[1]]..."""
        found = []
        for measurement in self.of(key, load):
            value = measurement if load == "start" else measurement["result"]
            for name in path:
                value = value.get(name) if isinstance(value, dict) else None
            if value is not None:
                found.append(value)
        return found

    def median(self, key, load, *path):
        values = self.values(key, load, *path)
        return statistics.median(values) if values else None

    def rate(self, key, load):
        return self.median(key, load, "rate")

    def failures(self, key, load):
        return sum(self.values(key, load, "failures"))

    def cpu_per_request(self, key, load):
        """-> CPU seconds of the service an answer"""
        costs = [m["service_cpu"] / m["result"]["successes"] for m in self.of(key, load) if m["result"]["successes"]]
        return statistics.median(costs) if costs else None

    def generator_share(self, key, load):
        """-> of one core"""
        shares = [m["generator_cpu"] / m["wall"] for m in self.of(key, load)]
        return statistics.median(shares) if shares else None

    def is_disturbed(self, key, load):
        return any(m.get("disturbed") for m in self.of(key, load))

    def disturbed(self):
        """-> disturbed measurements, all measurements under load"""
        loaded = [m for m in self.results["measurements"] if m["load"] != "start"]
        return sum(m["disturbed"] for m in loaded), len(loaded)

    def sweep(self, key):
        """-> [(connections, successes a second)]"""
        found = {}
        for measurement in self.results["measurements"]:
            if measurement["contestant"] == key and measurement["load"].startswith("sweep-"):
                found[int(measurement["load"].removeprefix("sweep-"))] = measurement["result"]["rate"]
        return sorted(found.items())


def difference(value, base):
    """(value - base) / base; None where either is missing or the base is 0."""
    return None if value is None or not base else (value - base) / base


def ratio(value, base):
    return None if value is None or not base else value / base
