"""The arithmetic of the report, on results that were made up to be easy to check."""

from pathlib import Path

import pytest
from compare import answers, claims, prose, tables
from compare.publish import readme_lines
from compare.report import markdown_table, write_report
from compare.summary import Summary, difference


def hey(rate, p99=0.1, **more):
    return {
        "rate": rate,
        "successes": 100,
        "failures": 0,
        "total": 100 / rate,
        "slowest": 0.2,
        "fastest": 0.01,
        "average": 0.05,
        "percentiles": {"50": 0.05, "99": p99},
        **more,
    }


def results(**rates):
    """Each service with the rate of every hey load in one round; rust_release as rust-release."""
    found = {
        "head": {
            "date": "today",
            "command": "make bench-compare",
            "model": "m",
            "machine": {},
            "versions": {},
            "plan": "default",
            "rounds": 1,
            "rounds_done": 1,
            "pinning": "not pinned",
            "device": "cpu",
            "cores": 2,
        },
        "contestants": {},
        "measurements": [],
    }
    for name, rate in rates.items():
        key = name.replace("_", "-")
        found["contestants"][key] = {
            "title": key,
            "language": "C",
            "precision": "fp32",
            "status": "measured",
            "answers": {"texts": 10, "labels_equal": 10, "largest": 3e-7, "reference": "python"},
        }
        for load in ("hey-50", "hey-15", "hey-1"):
            add(found, key, load, hey(rate))
        found["measurements"].append(
            {"contestant": key, "round": 1, "load": "start", "cold_start": 1.0, "resident_mib": 100.0, "first_mib": 9.0}
        )
    return found


def add(found, key, load, result, disturbed=False, number=1):
    found["measurements"].append(
        {
            "contestant": key,
            "round": number,
            "load": load,
            "tool": "hey",
            "command": "hey",
            "raw": "none",
            "wall": 10.0,
            "service_cpu": 5.0,
            "generator_cpu": 1.0,
            "other_cpu": 0.1,
            "disturbed": disturbed,
            "result": result,
        }
    )


def verdicts(found):
    return {claim.text: claim.verdict for claim in claims.claims(Summary(found))}


def test_the_difference_is_relative_to_python_in_every_row():
    assert difference(65.9752, 32.3469) == pytest.approx(1.0396, abs=1e-4)
    assert difference(15.1572, 30.9149) == pytest.approx(-0.5097, abs=1e-4)
    assert difference(None, 1) is None and difference(1, None) is None and difference(1, 0) is None


def test_the_hey_table_has_a_difference_column_for_every_service_but_python():
    table = tables.hey_table(Summary(results(python=20.0, rust_debug=25.0, rust_release=30.0)), tables.FFI, "title")
    assert table.columns == ["", "Python", "Rust debug", "Difference", "Rust release", "Difference"]
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["Requests/sec"] == ["20.0000", "25.0000", "+25.00 %", "30.0000", "+50.00 %"]
    assert rows["Total, s"] == ["5.0000", "4.0000", "-20.00 %", "3.3333", "-33.33 %"]


def test_a_value_over_rounds_is_their_median():
    found = results(python=20.0)
    add(found, "python", "hey-50", hey(50.0), number=2)
    add(found, "python", "hey-50", hey(30.0), number=3)
    assert Summary(found).rate("python", "hey-50") == 30.0


def test_failures_add_up_over_rounds():
    found = results(python=20.0)
    add(found, "python", "hey-50", hey(20.0, failures=7), number=2)
    assert Summary(found).failures("python", "hey-50") == 7


def test_cpu_time_a_request_counts_answers_only():
    assert Summary(results(python=20.0)).cpu_per_request("python", "hey-50") == pytest.approx(0.05)


def test_a_claim_holds_ties_or_does_not_by_its_numbers():
    name = "C with FFI is at least as fast as Rust with FFI, 50 clients"
    assert verdicts(results(linnet_ffi=20.0, rust_release=20.0))[name] == claims.HOLDS
    assert verdicts(results(linnet_ffi=19.0, rust_release=20.0))[name] == claims.TIED
    assert verdicts(results(linnet_ffi=17.0, rust_release=20.0))[name] == claims.FAILS
    assert verdicts(results(rust_release=20.0))[name] == claims.UNKNOWN


def test_a_speed_claim_against_python_knows_no_ties():
    name = "C native fp32 against the Python service, hey, 50 clients"
    assert verdicts(results(linnet=70.0, python=20.0))[name] == claims.HOLDS
    assert verdicts(results(linnet=69.0, python=20.0))[name] == claims.FAILS


def test_the_best_of_the_tuned_services_is_the_one_to_beat():
    found = results(linnet_int8=180.0, onnx_int8=90.0, onnx_int8_inline=110.0)
    assert claims.best_tuned(Summary(found), "hey-50") == "onnx-int8-inline"
    assert verdicts(found)["C native int8 against the best onnxruntime int8 service, hey, 50 clients"] == claims.FAILS


def test_what_does_not_hold_is_said_with_its_numbers():
    text = prose.verdicts(Summary(results(linnet=40.0, python=20.0)))
    assert "do not hold" in text and "2.00x (40.0 against 20.0 a second), wanted >= 3.5x" in text


def test_a_disturbed_measurement_is_marked_in_tables_claims_and_prose():
    found = results(python=20.0, linnet=80.0)
    add(found, "linnet", "hey-50", hey(80.0), disturbed=True, number=2)
    report = write_report(found, Path("/nowhere"))
    assert "80.0 †" in report and "1 of 7 measurements were disturbed" in report
    assert "4.00x (80.0 against 20.0 a second) †" in report


def test_a_service_that_failed_is_in_the_report_with_its_reason():
    found = results(python=20.0)
    found["contestants"]["linnet-int8"] = {
        "title": "C: linnet, native int8",
        "language": "C",
        "precision": "int8",
        "status": "failed",
        "stage": "round 1",
        "reason": "--precision int8: unknown | not there",
    }
    table = markdown_table(tables.overview(Summary(found)))
    assert any(
        "**C: linnet, native int8 failed** (round 1): --precision int8: unknown | not there." in line for line in table
    )
    assert any(line.startswith("| C: linnet, native int8 | **failed** |") for line in table)
    assert len({line.count("|") for line in table if line.startswith("|")}) == 1


def test_every_table_has_as_many_cells_as_columns():
    for table in tables.all_tables(Summary(results(python=20.0, rust_debug=19.0, linnet_ffi=21.0, linnet=70.0))):
        assert {len(row) for row in table.rows} == {len(table.columns)}, table.title


def test_equal_answers_pass_and_different_ones_are_refused():
    reference = [("A", 0.9), ("B", 0.6)]
    same = answers.compare([("A", 0.9), ("B", 0.6000001)], reference, True)
    answers.check(same, 1e-5, True)
    assert same["labels_equal"] == 2
    with pytest.raises(answers.Wrong, match="a score by 0.01"):
        answers.check(answers.compare([("A", 0.91), ("B", 0.6)], reference, True), 1e-5, True)
    with pytest.raises(answers.Wrong, match="1 of 2 labels"):
        answers.check(answers.compare([("A", 0.9), ("A", 0.4)], reference, True), 1e-5, True)


def test_another_label_is_compared_as_the_probability_of_the_same_one():
    found = answers.compare([("B", 0.51)], [("A", 0.52)], True)
    assert found["largest"] == pytest.approx(0.03)
    assert answers.compare([("B", 0.51)], [("A", 0.52)], False)["largest"] == float("inf")


def test_a_score_that_is_no_number_is_as_different_as_can_be():
    assert answers.compare([("A", float("nan"))], [("A", 0.5)], True)["largest"] == float("inf")


def test_the_readme_quotes_no_figure_of_a_disturbed_run():
    found = results(python=20.0, linnet=80.0, rust_release=21.0, linnet_ffi=30.0)
    assert "1.50x what the Python service does" in readme_lines(Summary(found))
    add(found, "linnet", "hey-50", hey(80.0), disturbed=True, number=2)
    add(found, "linnet", "hey-50", hey(80.0), disturbed=True, number=3)
    quoted = readme_lines(Summary(found))
    assert "2 of 14 measurements" in quoted and "x what" not in quoted
