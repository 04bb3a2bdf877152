"""The command line: run, tokenize, info, help, exit codes."""
import json
import subprocess

import pytest

from service import LINNET, MODELS, ROOT, linnet
from terminal import on_terminal


def rows(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.heavy
def test_run_reads_lines_from_stdin_or_a_file_and_keeps_their_order(tmp_path):
    texts = ["I love it.", "I hate it.", "", "Great!\r"] * 200
    file = tmp_path / "texts.txt"
    file.write_bytes("\n".join(texts).encode())
    piped = linnet("run", stdin=file.read_bytes())
    assert piped.returncode == 0 and len(rows(piped)) == len(texts)
    assert [row["label"] for row in rows(piped)[:2]] == ["POSITIVE", "NEGATIVE"]
    assert all(set(row) == {"label", "score"} for row in rows(piped))
    for arguments in ([file], [ROOT / "models/sst2-minilm", file]):
        assert linnet("run", *arguments).stdout == piped.stdout
    assert linnet("run", "-", stdin=file.read_bytes()).stdout == piped.stdout


def test_run_adds_logits_and_the_best_labels():
    row = rows(linnet("run", "--logits", "--top-k", "5", stdin=b"I love it."))[0]
    assert list(row) == ["label", "score", "top_k", "logits"]
    assert [entry["label"] for entry in row["top_k"]] == ["POSITIVE", "NEGATIVE"] and len(row["logits"]) == 2
    assert row["top_k"][0] == {"label": row["label"], "score": row["score"]}


def test_bad_lines_are_reported_with_their_numbers_and_the_rest_goes_on(tmp_path):
    lines = [b'{"text": "good"}', b'{"text": 5}', b"{", b"", b'{"text": "fine", "text_pair": "bad"}', b'{"text": "\xff"}', b"[]",
             b'{"text": "good"}']
    done = linnet("run", "--input", "jsonl", stdin=b"\n".join(lines))
    assert done.returncode == 3 and len(rows(done)) == 3
    told = [line for line in done.stderr.decode().splitlines() if ": line " in line]
    assert [int(line.split(": line ")[1].split(":")[0]) for line in told] == [2, 3, 6, 7]
    done = linnet("run", stdin=b"good\n\xff\xfe\nbad\n")
    assert done.returncode == 3 and len(rows(done)) == 2 and b"line 2: the line is not valid UTF-8" in done.stderr


def test_long_texts_are_cut_marked_and_counted_or_reported():
    text = b"good " * 700 + b"\nshort\n"
    done = linnet("run", stdin=text)
    assert done.returncode == 0 and [row.get("truncated") for row in rows(done)] == [True, None]
    assert b"1 of 2 texts were truncated to 512 tokens" in done.stderr
    done = linnet("run", "--no-truncation", stdin=text)
    assert done.returncode == 3 and len(rows(done)) == 1 and b"line 1: the text has 702 tokens" in done.stderr


@pytest.mark.heavy
def test_a_line_that_is_too_long_is_reported_and_the_rest_goes_on():
    for megabytes in (17, 40):
        done = linnet("run", stdin=b"good\n" + b"a" * (megabytes << 20) + b"\nbad\n")
        assert done.returncode == 3 and len(rows(done)) == 2, done.stderr[:300]
        assert b"line 2: the line has %d bytes" % (megabytes << 20) in done.stderr


def test_an_answer_comes_before_the_input_ends():
    with subprocess.Popen([LINNET, "run"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(b"I love it.\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["label"] == "POSITIVE"
        process.stdin.close()
        assert process.wait() == 0


@pytest.mark.heavy
def test_progress_is_drawn_on_a_terminal_only(tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("some words of text\n" * 3000)
    assert linnet("run", file).stderr == b""
    status, _, drawn = on_terminal([LINNET, "run", file])
    assert status == 0
    assert b"texts" in drawn and b"/s" in drawn and b"ETA" in drawn


def test_a_full_disk_is_an_error():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([LINNET, "run"], input=b"good\n", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1 and b"writing the output: No space left" in done.stderr


TINY = MODELS / "bert-gelu"
GOLDEN = TINY / "golden.jsonl"
PRINTING = {
    "--help": ["--help"], "--version": ["--version"], "--licenses": ["--version", "--licenses"],
    **{f"help of {name}": [name, "--help"] for name in ("serve", "run", "tokenize", "info", "quantize", "bench", "verify", "pull")},
    "run": ["run", TINY, "-"], "tokenize": ["tokenize", TINY, "-"],
    "info": ["info", TINY], "info --json": ["info", "--json", TINY], "verify": ["verify", "--golden", GOLDEN, TINY],
    "verify --json": ["verify", "--json", "--golden", GOLDEN, TINY],
    "bench": ["bench", "--seconds", "1", "--tokens", "1", "--batch", "1", "--threads", "1", TINY],
}


def with_lost_output(arguments, output):
    return subprocess.run(["bash", "-c", f'exec "$@" {output}', "bash", LINNET, *map(str, arguments)], input=b"good\n",
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=900)


@pytest.mark.parametrize("output, why", [("> /dev/full", "No space left on device"), (">&-", "Bad file descriptor")])
@pytest.mark.parametrize("arguments", PRINTING.values(), ids=PRINTING)
def test_output_that_cannot_be_written_is_exit_code_1_and_one_line(arguments, output, why):
    done = with_lost_output(arguments, output)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 1 and len(lines) == 1, (done.returncode, lines)
    assert lines[0].startswith("linnet: writing the ") and lines[0].endswith((why, "some of it is lost"))


def test_what_has_no_output_needs_no_stdout():
    for output in ("> /dev/full", ">&-"):
        done = with_lost_output(["serv"], output)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and b"did you mean serve?" in done.stderr


def test_tokenize_writes_ids_and_tokens():
    assert rows(linnet("tokenize", stdin=b"unaffable")) == [
        {"ids": [101, 14477, 20961, 3468, 102], "tokens": ["[CLS]", "una", "##ffa", "##ble", "[SEP]"]}]
    pair = rows(linnet("tokenize", "--input", "jsonl", stdin=b'{"text": "a", "text_pair": "b"}'))[0]
    assert pair["type_ids"] == [0, 0, 0, 1, 1]


def test_info_describes_the_model_and_the_machine():
    text = linnet("info").stdout.decode()
    for word in ("BertForSequenceClassification", "NEGATIVE POSITIVE", "22.7 million", "fp32", "ISA", "threads"):
        assert word in text
    info = json.loads(linnet("info", "--json", "--threads", "1").stdout)
    assert info["parameters"] == 22713986 and info["threads"] == 1 and info["isa"] == info["paths"][-1]


def test_a_capped_path_is_used_and_an_unknown_one_refused():
    assert json.loads(linnet("info", "--json", environment={"LINNET_ISA": "ref"}).stdout)["isa"] == "ref"
    done = linnet("info", "--isa", "sse9")
    assert done.returncode == 2 and b"sse9" in done.stderr and b"avx2" in done.stderr


@pytest.mark.parametrize("command", ["serve", "run", "tokenize", "info", "bench", "verify"])
def test_help_of_each_command_has_groups_examples_and_exit_codes(command):
    done = linnet(command, "--help")
    text = done.stdout.decode()
    assert done.returncode == 0 and text.startswith(f"Usage: linnet {command}")
    assert "Examples:" in text and "Exit codes:" in text and "\nComputing:" in text or command == "tokenize"


@pytest.mark.parametrize("arguments, words", [
    (["serv"], 'did you mean serve?'),
    (["serve", "--prot", "1"], "did you mean --port?"),
    (["serve", "--port", "x"], "--port is \"x\", want a whole number from 0 to 65535"),
    (["serve", "--port"], "--port wants a value"),
    (["run", "a", "b", "c"], '"c" is one argument too many'),
    (["run", "--input", "csv"], "want lines or jsonl"),
    (["run", "--precision", "fp8"], 'precision "fp8" is unknown'),
    (["serve", "--log-level", "loud"], "--log-level"),
])
def test_a_wrong_command_line_is_one_line_and_exit_code_2(arguments, words):
    done = linnet(*arguments)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 2 and len(lines) == 1 and words in lines[0], lines


def test_version_and_licenses():
    assert linnet("--version").stdout.decode().startswith("linnet 0.")
    text = linnet("--version", "--licenses").stdout.decode()
    for word in ("libuv", "llhttp", "yyjson", "Apache License", "THE SOFTWARE IS PROVIDED"):
        assert word in text


def test_every_committed_model_is_described(tmp_path):
    for model in sorted(MODELS.iterdir()):
        done = linnet("info", "--json", model)
        assert done.returncode == 0, (model, done.stderr)
