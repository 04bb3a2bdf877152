"""bench/engine: what its programs read of others' output, and the arithmetic of its table."""
import pytest
from engine import contestants, report

HEY = """
Summary:
  Total:\t2.0026 secs
  Requests/sec:\t250.1234

Latency distribution:
  10% in 0.0034 secs
  50% in 0.0040 secs
  95% in 0.0071 secs
  99% in 0.0080 secs

Status code distribution:
  [200]\t490 responses
  [429]\t10 responses
"""

# What ../shared/yardstick/hand.c prints for its stack of products.
HAND = """
DistilBERT GEMM stack (6 layers, distinct weights; QKV fused), ms, GF/s
STACK f32   M= 15 |   15.000 ms    85.0 GF/s (37%) wt-stream  11.3 GB/s |    8.050 ms   158.3 GF/s (35%) wt-stream  21.1 GB/s |
STACK u8s8  M=512 |  103.000 ms   422.0 GF/s (46%) wt-stream   0.4 GB/s |   52.200 ms   833.0 GF/s (46%) wt-stream   0.8 GB/s |
"""


def case(kind, texts, tokens, **more):
    return {(kind, texts, tokens): {"left_out": False, "median_ms": 2.0, "gemm_ms": 1.6, "pass_over_gemm": 1.25, "gemm_gops": 400.0,
                                    "attention_of_peak": 0.5, "tokens_per_second": 9000.0, **more}}


def a_round(**more):
    ours = {"isa": "avx2", "peak_gops": 1000.0, "operations_per_token": 85e6, "batch_tokens": 64,
            "cases": {**case("mixed_by_texts", 32, None), **case("texts", 1, 128), **case("texts", 1, 512),
                      **{key: value for texts in (1, 4, 32, 34) for key, value in case("texts", texts, 15).items()}}}
    service = {50: {"rate": 500.0}, 16: {"rate": 400.0, "p50": 4.0, "p99": 6.0}, 256: {"rate": 420.0}, "pinned": {"rate": 550.0}}
    refused = {"refused": "no such thing here"}
    return {"others": 0.0, ("linnet", "int8"): ours, ("linnet", "fp32"): ours, ("linnet", "bf16"): refused, "yardstick": refused,
            "attention": {"ours": {128: (190.0, 0.73), 512: (210.0, 0.81)}, "theirs": {128: 95.0, 512: 105.0}}, ("service", "int8"): service, ("service", "fp32"): service, ("service", "bf16"): refused,
            **{name: {"one": {"median_ms": 5.0}, "batch": {"median_ms": 1.0}, "padded": {"tokens_per_second": 3000.0},
                      "sorted": {"tokens_per_second": 8000.0}} for name in ("onnxruntime-int8", "onnxruntime-fp32", "openvino-int8", "openvino-fp32")},
            **more}


def rows(*rounds):
    head = {"machine": "a machine", "threads": 2, "date": "2026-01-01", "names": {"onnxruntime-int8": "onnxruntime 1"}, "differences": {}, "command": "compare"}
    table = report.render(head, list(rounds)).splitlines()
    return {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in table if line.startswith("| ")}, "\n".join(table)


# What checkkern --bench attention and ../shared/yardstick/attn.c print.
ATTENTION = """
attention, fp32, avx512, 12 heads of 64, items of 512 tokens together, 1 thread; % of the FMA peak; Gop/s as if plain
  length 128 plain       1027.09 us   196.0 Gop/s  73 %
              2.01 us a token
  length 128 bias        1060.98 us   189.8 Gop/s  71 %
"""
ATTN = """
L= 14 seqs= 36  fused   283.1 us ( 76.6 GF/s,  0.56 us/token/layer)  naive(scalar C,-O3 -ffast-math)   1810.5 us  maxdiff 7.5e-07
L=128 seqs=  4  fused  1143.6 us (176.0 GF/s,  2.23 us/token/layer)  naive(scalar C,-O3 -ffast-math)  17221.2 us  maxdiff 6.6e-07
"""


def test_only_successes_of_hey_count():
    assert contestants.read_hey(HEY) == {"rate": pytest.approx(490 / 2.0026), "p50": 4.0, "p99": 8.0}


def test_the_speed_of_attention_alone_is_read():
    assert contestants.read_attention(ATTENTION) == {128: (196.0, 0.73)}
    assert contestants.read_attention_yardstick(ATTN) == {14: 76.6, 128: 176.0}
    assert rows(a_round())[0]["attention's kernel alone, one thread, 128 tokens, vs attn.c"][:2] == ["190 : 95.0 Gop/s", "2.00"]


def test_the_yardsticks_rate_with_two_threads_is_read():
    assert contestants.read_yardstick(HAND) == {("fp32", 15): 158.3, ("int8", 512): 833.0}


def test_faster_is_more_than_one_for_times_and_for_rates():
    table, _ = rows(a_round())
    assert table["one 15-token text vs onnxruntime int8, dynamic"] == ["2.00 : 5.00 ms", "2.50", "≥ 1.50", "yes"]
    assert table["batches of 32 x 15 vs OpenVINO int8, static"] == ["2.00 : 1.00 ms", "0.50", "≥ 1.05", "**no**"]
    assert table["mixed, batches of 32, vs onnxruntime int8, padded"] == ["9000 : 3000 tokens/s", "3.00", "≥ 2.00", "yes"]
    assert table["mixed, batches of 32, vs onnxruntime int8, sorted by length"][1:] == ["1.12", "≥ 1.30", "**no**"]


def test_bars_that_are_upper_limits_are_judged_so():
    table, _ = rows(a_round())
    assert table["pass vs its GEMM, int8, 4 x 15 tokens"] == ["2.00 : 1.60 ms", "1.25", "≤ 1.20", "**no**"]
    assert table["p99 vs p50, int8, c = 16"] == ["6.00 : 4.00 ms", "1.50", "≤ 2.00", "yes"]


def test_the_limit_of_requests_a_second_is_the_peak_over_the_operations_of_a_request():
    table, _ = rows(a_round())
    limit = 1000e9 / (15 * 85e6)
    assert table["HTTP c = 50, int8, of the peak (budget learned)"] == [f"500 : {limit:.0f} req/s", f"{500 / limit:.2f}", "≥ 0.65", "**no**"]
    assert table["HTTP c = 50, int8, of the peak (budget pinned)"][0].startswith("550 : ")


def test_a_ratio_is_taken_within_a_round_and_the_median_counts():
    rounds = [a_round(**{"onnxruntime-int8": {"one": {"median_ms": ms}, "batch": {"median_ms": 1.0}, "padded": {"tokens_per_second": 1.0}, "sorted": {"tokens_per_second": 1.0}}})
              for ms in (2.0, 8.0, 4.0)]
    assert rows(*rounds)[0]["one 15-token text vs onnxruntime int8, dynamic"][:2] == ["2.00 : 4.00 ms", "2.00 (1.00-4.00)"]


def test_what_is_missing_is_named_in_its_row_and_the_rest_goes_on():
    table, _ = rows(a_round())
    assert table["HTTP c = 50, bf16, of the peak (budget learned)"][3] == "service bf16: no such thing here"
    assert table["GEMM in the pass vs hand.c, int8, 15 rows"][3] == "yardstick: no such thing here"
    left_out = a_round()
    left_out["linnet", "int8"]["cases"]["texts", 34, 15] = {"left_out": True, "foreseen_seconds": 2.5}
    left_out["linnet", "int8"]["cases"]["mixed_by_texts", 32, None] = {"left_out": True, "foreseen_seconds": 0.031}
    assert "left out, about 0.031 s the set" in rows(left_out)[0]["mixed, batches of 32, vs onnxruntime int8, padded"][3]
    assert "left out, about 2.5 s a batch" in rows(left_out)[0]["pass vs its GEMM, int8, 34 x 15 tokens"][3]


def test_a_disturbed_run_says_so():
    assert "disturbed" not in rows(a_round())[1]
    assert "disturbed" in rows(a_round(others=0.3))[1]
