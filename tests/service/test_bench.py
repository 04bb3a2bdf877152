"""linnet bench: what it prints, that its figures agree with each other, and what it refuses. How fast the machine is, is no test."""
import json
import math
import re
import time

import pytest

from service import LINNET, MODELS, ROOT, linnet
from terminal import on_terminal

pytestmark = pytest.mark.alone
TINY = MODELS / "bert-gelu"  # 48 positions
FAMILIES = ROOT / "tests/golden/families"
NUMBERS = {"median_ms", "texts_per_second", "tokens_per_second", "gemm_ms", "pass_over_gemm"}


def measured(*arguments):
    done = linnet("bench", "--json", *arguments)
    assert done.returncode == 0 and done.stderr == b"", done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def tiny():
    # One thread: where others keep a core busy, two wait for each other so long that cases are left out.
    return measured("--seconds", "4", "--tokens", "3,17", "--batch", "1,4", "--threads", "1", TINY)


def test_the_machine_the_model_and_the_threads_are_told(tiny):
    info = json.loads(linnet("info", "--json", TINY).stdout)
    for key in ("model", "processor", "isa", "layers", "hidden", "heads", "intermediate"):
        assert tiny[key] == info[key]
    assert tiny["threads"] == 1 and tiny["other_cores"] >= 0


# Heavy: under a sanitizer, or beside other work, cases are left out for lack of time.
@pytest.mark.heavy
def test_each_length_in_each_batch_and_the_mixed_set_are_cases(tiny):
    cases = tiny["precisions"][0]["cases"]
    assert [(case["kind"], case["texts_a_batch"], case["tokens_a_text"]) for case in cases[:-1]] == [
        ("texts", 1, 3), ("texts", 1, 17), ("texts", 4, 3), ("texts", 4, 17), ("mixed_by_texts", 1, None), ("mixed_by_texts", 4, None)]
    assert cases[-1]["kind"] == "mixed_by_tokens" and cases[-1]["tokens_a_batch"] == tiny["precisions"][0]["batch_tokens"]
    assert cases[3]["tokens"] == 4 * 17 and cases[4]["texts"] == 32


@pytest.mark.heavy
def test_the_figures_of_a_case_agree_with_each_other(tiny):
    for case in tiny["precisions"][0]["cases"]:
        assert not case["left_out"] and case["repeats"] >= 3 and all(case[name] > 0 for name in NUMBERS)
        assert (case["p99_ms"] is not None) == (case["repeats"] >= 100)
        assert case["p99_ms"] is None or case["p99_ms"] >= case["median_ms"]
        assert case["tokens_per_second"] == pytest.approx(case["tokens"] / case["median_ms"] * 1e3)
        assert case["texts_per_second"] == pytest.approx(case["texts"] / case["median_ms"] * 1e3)
        assert case["pass_over_gemm"] == pytest.approx(case["median_ms"] / case["gemm_ms"])
        assert case["share"]["gemm"] == pytest.approx(case["gemm_ms"] / case["median_ms"], abs=1e-3)
        assert all(0 <= share <= 1 for share in case["share"].values())
        assert sum(case["share"].values()) == pytest.approx(1, abs=0.05)  # medians of each, on a busy machine


def matrix_elements(model, layers):
    """Of all layers that the file of weights holds, by the shapes of what is not a norm or a bias."""
    data = (model / "model.safetensors").read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    shapes = {name: entry["shape"] for name, entry in header.items() if re.search(layers, name)}
    matrices = [shape for shape in shapes.values() if len(shape) == 2]
    assert matrices, sorted(header)
    return sum(math.prod(shape) for shape in matrices)


@pytest.mark.parametrize("name, layers, walks", [
    ("bert", r"\.layer\.\d+\.", 1),
    ("nomic_bert", r"\.layers\.\d+\.", 1),  # a gate beside up and down
    ("modernbert", r"\.layers\.\d+\.", 1),
    ("albert", r"\.albert_layers\.\d+\.", 3),  # one stored layer, walked three times
    ("albert-groups", r"\.albert_layers\.\d+\.", 3 / 2),  # two groups of two, in three layers of two
])
def test_operations_of_a_token_are_those_of_every_matrix_as_often_as_it_is_walked(name, layers, walks):
    model = FAMILIES / name
    report = measured("--seconds", "1", "--tokens", "1", "--batch", "1", "--threads", "1", "--precision", "fp32", model)
    want = 2 * matrix_elements(model, layers) * walks
    assert report["operations_per_token"] == want
    # Of one text of one token the pass leaves nothing out of the layers, and adds its head and what projects its embeddings.
    case = next(case for case in report["precisions"][0]["cases"] if (case["kind"], case["tokens"]) == ("texts", 1))
    assert case["gemm_gops"] * case["gemm_ms"] * 1e6 >= want * (1 - 1e-6)


def test_the_budget_to_pin_is_the_smallest_size_near_the_best_rate_under_50_ms(tiny):
    report = tiny["precisions"][0]
    sizes = [size for size in report["sizes"] if size["batch_ms"] <= 50]
    best = min(size["ns_per_token"] for size in sizes)
    assert report["batch_tokens"] == next(size["tokens"] for size in sizes if size["ns_per_token"] <= best / 0.95)


@pytest.mark.heavy
def test_products_stay_below_the_peak_of_their_instruction():
    if json.loads(linnet("info", "--json").stdout)["isa"] == "ref":
        pytest.skip("the plain C path has no peak")
    report = measured("--seconds", "5", "--tokens", "56,128", "--batch", "1", "--threads", "1")["precisions"][0]
    assert report["peak_gops"] > 1 and report["attention_peak_gops"] > 1
    for case in report["cases"]:
        assert case["left_out"] or 0 < case["gemm_of_peak"] < 1.1, case


@pytest.mark.parametrize("name, rounds", [("bert", True), ("deberta-v2", False)])
def test_attention_is_held_against_the_instruction_that_it_runs_on(name, rounds):
    """In bf16 where the layers' operands are rounded and the processor has it; relative scores stay in fp32."""
    isa = json.loads(linnet("info", "--json").stdout)["isa"]
    precisions = ["fp32", "int8", *(["bf16"] if isa == "avx512_bf16" else [])]
    reports = measured("--seconds", "1", "--tokens", "3", "--batch", "1", "--threads", "1", "--precision", ",".join(precisions), FAMILIES / name)
    rounded = "bf16" if isa == "avx512_bf16" and rounds else "fp32"
    assert [report["attention_precision"] for report in reports["precisions"]] == ["fp32", rounded, rounded][: len(precisions)]


@pytest.mark.heavy
def test_attention_stays_below_the_peak_of_its_instruction():
    if json.loads(linnet("info", "--json").stdout)["isa"] == "ref":
        pytest.skip("the plain C path has no peak")
    for report in measured("--seconds", "6", "--tokens", "128,512", "--batch", "1", "--threads", "1", "--precision", "fp32,int8")["precisions"]:
        for case in report["cases"]:
            assert case["left_out"] or 0 < case["attention_of_peak"] < 1, (report["precision"], case)


def test_the_plain_c_path_has_no_peak():
    report = measured("--seconds", "1", "--tokens", "3", "--batch", "1", "--threads", "1", "--isa", "ref", TINY)["precisions"][0]
    case = next(case for case in report["cases"] if not case["left_out"])
    assert report["peak_gops"] is None and case["gemm_of_peak"] is None and case["median_ms"] > 0


def test_precisions_are_measured_one_after_the_other():
    reports = measured("--seconds", "2", "--tokens", "3", "--batch", "1", "--precision", "auto,fp32", TINY)["precisions"]
    assert [report["precision"] for report in reports] == ["fp32", "fp32"]


@pytest.mark.heavy
def test_the_time_is_bounded_and_what_does_not_fit_is_left_out_by_name():
    begin = time.monotonic()
    done = linnet("bench", "--seconds", "2", "--tokens", "15,512", "--batch", "1,64", "--threads", "1", "--isa", "ref")
    assert done.returncode == 0 and time.monotonic() - begin < 20
    assert any(line.startswith("  64 texts of 512 tokens") and "left out" in line for line in done.stdout.decode().splitlines())


def test_the_table_has_a_row_a_case_and_the_budget():
    text = linnet("bench", "--seconds", "3", "--tokens", "1,15", "--batch", "1,2", "--threads", "1", TINY).stdout.decode()
    for words in ("fp32", "1 text of 1 token ", "1 text of 15 tokens", "2 texts of 1 token ", "mixed set, 1 text a batch",
                  "mixed set, 2 texts a batch", "To pin: --batch-tokens ", "other programs kept"):
        assert words in text, text


def test_a_row_of_the_mixed_set_is_the_time_of_all_its_texts():
    """Whether ms and texts/s are of one thing: the set's 32 texts, in how many batches ever."""
    text = linnet("bench", "--seconds", "3", "--tokens", "1", "--batch", "1,8", "--threads", "1", TINY).stdout.decode()
    rows = [line for line in text.splitlines() if line.startswith("  mixed set, ") and "left out" not in line]
    assert rows, text
    for row in rows:
        milliseconds, _, texts_a_second = row[32:].split()[:3]
        assert float(texts_a_second) == pytest.approx(32 / float(milliseconds) * 1e3, rel=0.1), row


@pytest.mark.heavy
def test_the_time_of_what_is_left_out_is_told_of_what_would_run():
    done = linnet("bench", "--json", "--seconds", "1", "--tokens", "512", "--batch", "1,1024", "--threads", "1", "--isa", "ref")
    cases = json.loads(done.stdout)["precisions"][0]["cases"]
    left_out = [case for case in cases if case["left_out"]]
    assert any(case["kind"] == "mixed_by_texts" for case in left_out) and any(case["kind"] == "texts" for case in left_out)
    for case in left_out:
        assert case["texts"] == (32 if case["kind"].startswith("mixed") else case["texts_a_batch"])
    rate = [case["foreseen_seconds"] / case["tokens"] for case in left_out]  # of one token, by what ran before
    assert max(rate) < 3 * min(rate)
    lines = linnet("bench", "--seconds", "1", "--tokens", "512", "--batch", "1,1024", "--threads", "1", "--isa", "ref").stdout.decode().splitlines()
    told = {line.split(" left out: about ")[0].strip(): line.split(" left out: about ")[1] for line in lines if "left out" in line}
    assert told
    for name, words in told.items():
        number, unit, what = words.split(";")[0].split(" ", 2)
        assert what == ("the set" if name.startswith("mixed set") else "a batch") and unit in ("ms", "s") and float(number) > 0


def test_lengths_over_the_models_limit_are_refused_if_asked_for_else_passed_over():
    done = linnet("bench", "--tokens", "15,49", TINY)
    assert done.returncode == 2 and b"--tokens has 49, the model takes 48" in done.stderr
    cases = measured("--seconds", "1", "--batch", "1", TINY)["precisions"][0]["cases"]
    assert [case["tokens_a_text"] for case in cases if case["kind"] == "texts"] == [1, 15]


@pytest.mark.parametrize("arguments, words", [
    (["--tokens", "1,x"], '--tokens is "1,x", want up to 16 whole numbers'),
    (["--tokens", ""], '--tokens is ""'),
    (["--tokens", "1,"], '--tokens is "1,"'),
    (["--tokens", "0"], "from 1 to 65536"),
    (["--batch", "1025"], "from 1 to 1024"),
    (["--batch", ",".join(["1"] * 17)], "want up to 16"),
    (["--precision", "fp32,fp7"], 'precision "fp7" is unknown'),
    (["--precision", ""], "precision"),
    (["--isa", "sse9"], "sse9"),
    (["--seconds", "0"], "--seconds"),
    (["--tokns", "1"], "did you mean --tokens?"),
    (["a", "b"], '"b" is one argument too many'),
])
def test_a_wrong_command_line_is_one_line_and_exit_code_2(arguments, words):
    done = linnet("bench", *arguments)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 2 and done.stdout == b"" and len(lines) == 1 and words in lines[0], lines


def test_a_missing_model_is_exit_code_1():
    done = linnet("bench", "/no/such/model")
    assert done.returncode == 1 and b"/no/such/model" in done.stderr


@pytest.mark.heavy
def test_progress_is_shown_on_a_terminal_once_it_takes_a_while():
    status, _, drawn = on_terminal([LINNET, "bench", "--seconds", "8", "--threads", "1"])
    assert status == 0
    assert b"measuring: " in drawn and b"cases" in drawn
