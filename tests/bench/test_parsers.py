"""hey's, locust's and wrk's outputs as they were really printed (outputs/), and /proc's."""

from pathlib import Path

import pytest
from compare import load, measure

OUTPUTS = Path(__file__).with_name("outputs")


def text(name):
    return (OUTPUTS / name).read_text()


def test_heys_report_of_a_good_run_is_read_whole():
    found = load.parse_hey(text("hey.txt"))
    assert found["successes"] == 1000 and found["failures"] == 0 and found["errors"] == {}
    assert found["rate"] == pytest.approx(found["rate_with_failures"], rel=1e-3)
    assert found["fastest"] < found["average"] < found["slowest"] < found["total"]
    assert list(found["percentiles"]) == ["10", "25", "50", "75", "90", "95", "99"]
    assert len(found["histogram"]) == 11 and sum(count for _, count in found["histogram"]) == 1000


def test_time_outs_count_against_a_service_and_not_as_requests_a_second():
    found = load.parse_hey(text("hey-time-outs.txt"))
    assert (found["successes"], found["failures"]) == (212, 188)
    assert found["rate"] == pytest.approx(212 / 128.8027)
    assert found["rate_with_failures"] == 3.1055
    assert list(found["errors"].values()) == [188]


def test_answers_with_another_status_are_failures():
    found = load.parse_hey(text("hey-errors.txt"))
    assert (found["successes"], found["failures"]) == (160, 40)
    assert found["rate"] == pytest.approx(160 / 0.9322)


def test_a_service_that_refuses_every_connection_has_no_rate_and_no_times():
    found = load.parse_hey(text("hey-refused.txt"))
    assert (found["successes"], found["failures"], found["rate"]) == (0, 100, 0.0)
    assert found["average"] is None and found["percentiles"] == {} and found["histogram"] == []


def test_heys_histogram_is_kept_as_it_was_drawn():
    drawn = load.hey_histogram(text("hey.txt"))
    assert drawn.count("\n") == 10 and "■■■" in drawn and "Latency" not in drawn


def test_locusts_numbers_count_successes_only():
    found = load.parse_locust(text("locust-errors.json"))
    assert (found["requests"], found["successes"], found["failures"]) == (317, 253, 64)
    assert found["rate"] == pytest.approx(253 / (1795537137.4003658 - 1795537134.352114))
    assert found["average"] == pytest.approx(15.16871027399975 / 317)
    assert (found["fastest"], found["slowest"]) == (pytest.approx(0.0022053970), pytest.approx(0.171961255))
    assert sum(number for _, number in found["times"]) == 317


def test_locusts_percentiles_are_those_that_locust_printed_of_that_run():
    found = load.parse_locust(text("locust-errors.json"))["percentiles"]
    assert list(found) == ["50", "66", "75", "80", "90", "95", "98", "99", "99.9", "99.99", "100"]
    assert [round(value * 1e3) for value in found.values()] == [44, 44, 45, 45, 48, 62, 170, 170, 170, 170, 170]


def test_locusts_history_is_a_point_a_second_once_there_are_times():
    found = load.parse_locust_history(text("locust_stats_history.csv"))
    assert [(point["users"], point["rate"], point["p50"], point["p95"]) for point in found] == [
        (5, 0.0, 0.044, 0.049),
        (5, 68.0, 0.044, 0.049),
    ]


def test_wrks_line_counts_answers_with_another_status_as_failures():
    found = load.parse_wrk(text("wrk-errors.txt"))
    assert (found["successes"], found["failures"]) == (265, 66)
    assert found["rate"] == pytest.approx(265 / 2.011159)
    assert found["percentiles"] == {"50": 0.044129, "90": 0.048019, "99": 0.049482}


@pytest.mark.parametrize("tool", ["hey", "locust", "wrk"])
@pytest.mark.parametrize("printed", ["", "panic: no such host\n", "[]", "{"])
def test_what_is_no_report_is_refused_by_name(tool, printed):
    with pytest.raises(load.Unreadable):
        load.PARSERS[tool](printed)


def test_machine_seconds_leave_out_idle_waiting_and_interrupts():
    line = "cpu  100 10 30 9999 888 77 66 5 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"
    assert measure.parse_machine_seconds(line) == pytest.approx(145 / measure.TICKS)


def test_a_process_name_with_spaces_and_brackets_does_not_shift_its_times():
    line = "42 (a ) b) S 1 42 42 0 -1 0 0 0 0 0 7 3 2 1 20 0 1 0 5 6 7"
    assert measure.parse_process_seconds(line) == pytest.approx(13 / measure.TICKS)


def test_other_load_above_five_percent_of_a_core_disturbs():
    assert not measure.is_disturbed(0.5, 10)
    assert measure.is_disturbed(0.6, 10)
    assert not measure.is_disturbed(0.05, 0.1), "a few ticks of a short window are the clock's resolution"
