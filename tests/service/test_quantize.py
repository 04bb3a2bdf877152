"""linnet quantize: what it writes, what it says of its parity, and what it refuses."""
import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import termios
import time

import pytest

from service import LINNET, MODELS, ROOT, linnet

MODEL = MODELS / "distilbert-vocab"  # stored as F32
MATRIX = "distilbert.transformer.layer.0.attention.q_lin.weight"
TEXTS = [json.loads(line)["text"] for line in (MODEL / "golden.jsonl").read_text().splitlines()]
PRECISIONS = pytest.mark.parametrize("to, isa", [("int8", []), ("bf16", ["--isa", "ref"])])


def quantize(output, *options, model=MODEL):
    return linnet("quantize", "--output", output, *options, model)


def header(directory):
    data = (directory / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def texts_file(tmp_path, texts=TEXTS):
    file = tmp_path / "texts.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return file


def wait_until(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.01)


def unread(pipe):
    """-> how many bytes nobody has read yet"""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


def logits(model, file, *options):
    done = linnet("run", "--logits", "--input", "jsonl", *options, model, file)
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["logits"] for line in done.stdout.splitlines()]


@PRECISIONS
def test_a_written_directory_is_smaller_and_is_served_in_its_precision(to, isa, tmp_path):
    done = quantize(tmp_path / "out", "--to", to)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/model.safetensors").stat().st_size < (MODEL / "model.safetensors").stat().st_size
    info = linnet("info", *isa, tmp_path / "out").stdout.decode()
    assert f"precision     {to}" in info


@PRECISIONS
def test_a_directory_gives_the_bits_that_precision_gives_where_embeddings_stay_as_they_were(to, isa, tmp_path):
    assert quantize(tmp_path / "out", "--to", to, model=MODELS / "bert-bf16").returncode == 0
    file = texts_file(tmp_path)
    assert logits(tmp_path / "out", file, *isa) == logits(MODELS / "bert-bf16", file, "--precision", to, *isa)


def test_what_is_stored_is_said_of_an_int8_directory(tmp_path):
    assert quantize(tmp_path / "out").returncode == 0
    assert "stored as I8 with scales" in linnet("info", tmp_path / "out").stdout.decode()
    assert json.loads(linnet("info", "--json", tmp_path / "out").stdout)["stored"] == "I8"
    assert "stored as F32" in linnet("info", MODEL).stdout.decode()


def test_int8_tensors_are_integers_with_a_scale_for_each_row(tmp_path):
    assert quantize(tmp_path / "out").returncode == 0
    tensors, data = header(tmp_path / "out")
    original, floats = header(MODEL)
    assert tensors["__metadata__"]["linnet_precision"] == "int8"
    assert tensors[MATRIX]["dtype"] == "I8" and tensors[MATRIX]["shape"] == original[MATRIX]["shape"]
    rows, columns = tensors[MATRIX]["shape"]
    assert tensors[MATRIX + "_scale"] | {"data_offsets": None} == {"dtype": "F32", "shape": [rows], "data_offsets": None}
    q = struct.unpack(f"<{rows * columns}b", data[slice(*tensors[MATRIX]["data_offsets"])])
    scales = struct.unpack(f"<{rows}f", data[slice(*tensors[MATRIX + "_scale"]["data_offsets"])])
    weights = struct.unpack(f"<{rows * columns}f", floats[slice(*original[MATRIX]["data_offsets"])])
    for row in range(rows):
        values = weights[row * columns : (row + 1) * columns]
        assert scales[row] == pytest.approx(max(map(abs, values)) / 127, rel=1e-6)
        for value, integer in zip(values, q[row * columns : (row + 1) * columns]):
            assert abs(value - integer * scales[row]) <= 0.5001 * scales[row]
    assert tensors["classifier.weight"]["dtype"] == "F32"
    assert json.loads((tmp_path / "out/config.json").read_text())["quantization_config"]["quant_method"] == "linnet"


def test_an_int8_directory_computes_in_fp32_where_that_is_asked(tmp_path):
    assert quantize(tmp_path / "out").returncode == 0
    file = texts_file(tmp_path)
    got, exact = logits(tmp_path / "out", file, "--precision", "fp32"), logits(MODEL, file)
    assert got != exact
    assert max(abs(a - b) for left, right in zip(got, exact) for a, b in zip(left, right)) < 0.5


def test_parity_is_printed_and_stored(tmp_path):
    file = texts_file(tmp_path)
    done = quantize(tmp_path / "out", "--texts", file, "--input", "jsonl")
    stored = json.loads((tmp_path / "out/parity.json").read_text())
    assert done.returncode == 0, done.stderr
    for words in ("logits       differ by at most", "scores       differ by at most", "labels       "):
        assert words in done.stdout.decode()
    assert stored["texts"] == len(TEXTS) and stored["precision"] == "int8" and stored["within_bounds"] is True
    got, exact = logits(tmp_path / "out", file), logits(MODEL, file)
    worst = max(abs(a - b) for left, right in zip(got, exact) for a, b in zip(left, right))
    assert stored["max_logit_difference"] == pytest.approx(worst, rel=1e-4)
    assert 1 <= stored["worst"]["logit"]["line"] <= len(TEXTS) and 1 <= stored["worst"]["score"]["line"] <= len(TEXTS)


# --- Other tasks

TASKS = ROOT / "tests/golden/tasks"
TASK_TEXTS = {name: [{key: row[key] for key in ("text", "text_pair") if key in row}
                     for row in map(json.loads, (TASKS / name / "logits.jsonl").read_text().splitlines())]
              for name in ("bert-ner", "deberta-v2-ner", "bert-mlm", "roberta-nli")}
AS_ZERO_SHOT = {"roberta-nli": ["--task", "zero-shot-classification"]}


def rows_file(tmp_path, rows):
    file = tmp_path / "texts.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def answers(model, file, *options):
    done = linnet("run", "--input", "jsonl", *options, model, file)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name, unit", [("bert-ner", "tokens"), ("deberta-v2-ner", "tokens"), ("bert-mlm", "masks"),
                                        ("roberta-nli", None)])
def test_the_parity_of_every_task_is_printed_and_stored(name, unit, tmp_path):
    file = rows_file(tmp_path, TASK_TEXTS[name])
    done = quantize(tmp_path / "out", "--texts", file, "--input", "jsonl", *AS_ZERO_SHOT.get(name, []), model=TASKS / name)
    assert done.returncode == 0, done.stderr
    stored, printed = json.loads((tmp_path / "out/parity.json").read_text()), done.stdout.decode()
    assert stored["within_bounds"] is True and stored["texts"] == len(TASK_TEXTS[name]) and stored["precision"] == "int8"
    assert 0 < stored["max_score_difference"] <= 0.16 and 0 < stored["max_logit_difference"]
    for words in ("logits       differ by at most", "scores       differ by at most"):
        assert words in printed
    if unit:
        assert stored[unit] > len(TASK_TEXTS[name]) and stored["clear_flips"] == 0
        assert f"of {stored[unit]} {unit} have another" in printed
    else:
        assert "tokens" not in stored and "masks" not in stored and stored["flips"] == 0


def test_the_figures_of_tokens_are_those_of_the_answers(tmp_path):
    """Each token's best score and label, as `linnet run` has them of both models."""
    file = rows_file(tmp_path, TASK_TEXTS["bert-ner"])
    assert quantize(tmp_path / "out", "--texts", file, "--input", "jsonl", model=TASKS / "bert-ner").returncode == 0
    stored = json.loads((tmp_path / "out/parity.json").read_text())
    texts = zip(answers(tmp_path / "out", file, "--ignore-labels", "-"), answers(TASKS / "bert-ner", file, "--ignore-labels", "-"))
    pairs = [(line, got, want) for line, both in enumerate(texts, 1) for got, want in zip(*both, strict=True)]
    flipped = [{"line": line, "token": got["index"], "token_text": got["word"], "got": got["entity"], "golden": want["entity"]}
               for line, got, want in pairs if got["entity"] != want["entity"]]
    assert stored["tokens"] == len(pairs) and stored["flips"] == len(flipped) > 0
    assert [{**flip, "text": None} for flip in stored["flipped"]] == [{**flip, "text": None} for flip in flipped]
    changed = max(abs(got["score"] - want["score"]) for _, got, want in pairs if got["entity"] == want["entity"])
    assert stored["max_score_difference"] >= changed - 1e-6
    worst = stored["worst"]["score"]
    assert any((line, got["index"], got["word"]) == (worst["line"], worst["token"], worst["token_text"]) for line, got, _ in pairs)


def test_the_figures_of_masks_are_those_of_the_whole_vocabulary(tmp_path):
    rows = TASK_TEXTS["bert-mlm"]
    file = rows_file(tmp_path, rows)
    assert quantize(tmp_path / "out", "--texts", file, "--input", "jsonl", model=TASKS / "bert-mlm").returncode == 0
    stored = json.loads((tmp_path / "out/parity.json").read_text())
    vocabulary = json.loads((TASKS / "bert-mlm/config.json").read_text())["vocab_size"]

    def masks(model):
        """(line, mask, {token: score})"""
        for line, answer in enumerate(answers(model, file, "--top-k", vocabulary), 1):
            for mask, fillings in enumerate(answer if isinstance(answer[0], list) else [answer], 1):
                yield line, mask, {filling["token"]: filling["score"] for filling in fillings}

    deltas = [(max(abs(got[token] - want[token]) for token in want), line, mask)
              for (line, mask, got), (*_, want) in zip(masks(tmp_path / "out"), masks(TASKS / "bert-mlm"), strict=True)]
    assert stored["masks"] == len(deltas) > len(rows)
    worst, line, mask = max(deltas)
    assert stored["max_score_difference"] == pytest.approx(worst, rel=1e-3)
    assert (stored["worst"]["score"]["line"], stored["worst"]["score"]["mask"]) == (line, mask)


@pytest.mark.parametrize("name, row, words", [
    ("bert-mlm", {"text": "no mask"}, "line 1: the text has no mask token, want [MASK]"),
    ("bert-mlm", {"text": "a [MASK]", "text_pair": "b"}, "line 1: a pair of texts is not for fill-mask"),
    ("bert-ner", {"text": "a", "text_pair": "b"}, "line 1: a pair of texts is not for token-classification"),
])
def test_a_text_that_a_task_cannot_take_is_named_and_nothing_is_left(name, row, words, tmp_path):
    file = rows_file(tmp_path, [row])
    done = quantize(tmp_path / "out", "--texts", file, "--input", "jsonl", model=TASKS / name)
    assert done.returncode == 1 and words in done.stderr.decode()
    assert list(tmp_path.iterdir()) == [file]


def with_huge_weights(directory, source, matrix):
    """A model whose int8 answers are far off: one huge weight in each row takes all the steps for itself."""
    directory.mkdir()
    for file in source.iterdir():
        (directory / file.name).write_bytes(file.read_bytes())
    data = bytearray((source / "model.safetensors").read_bytes())
    (length,) = struct.unpack("<Q", data[:8])
    tensors = json.loads(bytes(data[8 : 8 + length]))
    chosen = [entry for name, entry in tensors.items() if name.endswith(matrix)]
    assert chosen
    for entry in chosen:
        begin = 8 + length + entry["data_offsets"][0]
        for row in range(entry["shape"][0]):
            struct.pack_into("<f", data, begin + 4 * row * entry["shape"][1], 500.0)
    (directory / "model.safetensors").write_bytes(data)
    return directory


@pytest.mark.parametrize("name, matrix, place", [
    (None, "lin2.weight", ""), ("bert-ner", "output.dense.weight", ", token "), ("bert-mlm", "output.dense.weight", ", mask "),
    ("roberta-nli", "output.dense.weight", ""),
])
def test_nothing_is_written_past_the_bounds_but_by_force(name, matrix, place, tmp_path):
    model = with_huge_weights(tmp_path / "model", TASKS / name if name else MODEL, matrix)
    texts = rows_file(tmp_path, TASK_TEXTS[name]) if name else texts_file(tmp_path)
    options = ["--texts", texts, "--input", "jsonl", *AS_ZERO_SHOT.get(name, [])]
    refused = quantize(tmp_path / "out", *options, model=model)
    told = refused.stderr.decode()
    assert refused.returncode == 1
    assert "not within the bounds of int8" in told and f"{place}" in told.split("; text ")[1] and "--force" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "texts.jsonl"]
    forced = quantize(tmp_path / "out", *options, "--force", model=model)
    assert forced.returncode == 0, forced.stderr
    assert json.loads((tmp_path / "out/parity.json").read_text())["within_bounds"] is False


def test_a_tensor_keeps_its_name_however_long(tmp_path):
    model, names = tmp_path / "model", [f"{'x' * 300}.{number}" for number in range(2)]
    shutil.copytree(MODEL, model)
    entries, data = header(model)
    entries |= {name: {"dtype": "F32", "shape": [1], "data_offsets": [len(data) + 4 * i, len(data) + 4 * i + 4]} for i, name in enumerate(names)}
    text = json.dumps(entries).encode()
    (model / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data + bytes(8))
    done = quantize(tmp_path / "out", model=model)
    assert done.returncode == 0, done.stderr
    assert set(names) < set(header(tmp_path / "out")[0]) and linnet("info", tmp_path / "out").returncode == 0


@pytest.mark.parametrize(
    "options, words",
    [
        (["--to", "int4"], 'is "int4", want int8 or bf16'),
        (["--texts", "/nonexistent"], "/nonexistent"),
    ],
)
def test_what_cannot_be_done_is_refused_and_leaves_nothing(options, words, tmp_path):
    done = quantize(tmp_path / "out", *options)
    assert done.returncode > 0 and words in done.stderr.decode()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_that_a_signal_ends_leaves_nothing_behind(number, tmp_path):
    process = subprocess.Popen([LINNET, "quantize", "--texts", "-", "--output", tmp_path / "out", MODEL], stdin=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    wait_until(lambda: list(tmp_path.glob("out.*/model.safetensors")), "the weights")
    process.send_signal(number)
    assert process.wait(60) == -number and list(tmp_path.iterdir()) == []
    process.stdin.close()
    process.stderr.close()


def test_what_is_being_removed_is_not_finished_beside_it(tmp_path):
    """So many files that the main thread would be done before they are removed."""
    process = subprocess.Popen([LINNET, "quantize", "--texts", "-", "--output", tmp_path / "out", MODEL], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(b"What a day.\n")
    process.stdin.flush()
    wait_until(lambda: list(tmp_path.glob("out.*/model.safetensors")) and unread(process.stdin) == 0, "the text's reading")
    (partial,) = tmp_path.iterdir()
    for number in range(40_000):
        (partial / str(number)).touch()
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: not (partial / "0").exists(), "the removal")
    _, said = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM and list(tmp_path.iterdir()) == [], said


def test_a_signal_that_is_ignored_ends_nothing(tmp_path):
    process = subprocess.Popen(["nohup", LINNET, "quantize", "--texts", "-", "--output", tmp_path / "out", MODEL],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: list(tmp_path.glob("out.*/model.safetensors")), "the weights")
    process.send_signal(signal.SIGHUP)
    _, said = process.communicate("\n".join(TEXTS).encode(), 60)
    assert process.returncode == 0, said
    assert {"config.json", "model.safetensors", "parity.json"} <= {path.name for path in (tmp_path / "out").iterdir()}


@pytest.mark.parametrize("output, why", [("> /dev/full", "No space left on device"), (">&-", "Bad file descriptor")])
def test_a_report_that_cannot_be_printed_is_an_error_and_leaves_nothing(output, why, tmp_path):
    file = texts_file(tmp_path)
    command = [LINNET, "quantize", "--texts", file, "--input", "jsonl", "--output", tmp_path / "out", MODEL]
    done = subprocess.run(["bash", "-c", f'exec "$@" {output}', "bash", *command], capture_output=True)
    assert done.returncode == 1 and done.stderr.decode() == f"linnet: writing the report: {why}\n"
    assert list(tmp_path.iterdir()) == [file]


def test_sizes_that_cannot_be_printed_are_an_error_too(tmp_path):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([LINNET, "quantize", "--output", tmp_path / "out", MODEL], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1 and done.stderr == b"linnet: writing the output: No space left on device\n"


def test_an_unfinished_directory_goes_where_the_file_system_does_not_say_what_entries_are(tmp_path):
    """A model with a folder, through a readdir() that knows no types."""
    (tmp_path / "untyped.c").write_text(
        "#define _GNU_SOURCE\n#include <dirent.h>\n#include <dlfcn.h>\n"
        "struct dirent *readdir(DIR *list)\n{\n"
        '    struct dirent *entry = ((struct dirent *(*)(DIR *))dlsym(RTLD_NEXT, "readdir"))(list);\n'
        "    if (entry)\n        entry->d_type = DT_UNKNOWN;\n    return entry;\n}\n"
        'struct dirent64 *readdir64(DIR *list) __attribute__((alias("readdir")));\n')
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "untyped.so", tmp_path / "untyped.c", "-ldl"], check=True)
    texts = rows_file(tmp_path, [{"text": "one"}, {"text": 2}])
    done = subprocess.run(
        [LINNET, "quantize", "--texts", texts, "--input", "jsonl", "--output", tmp_path / "out", ROOT / "tests/golden/embeddings/concatenated"],
        env=dict(os.environ, LD_PRELOAD=str(tmp_path / "untyped.so"), ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"), capture_output=True)
    assert done.returncode == 1 and b"line 2" in done.stderr, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([texts.name, "untyped.c", "untyped.so"])


def test_an_output_that_is_missing_or_exists_is_refused(tmp_path):
    assert "wants --output DIR" in linnet("quantize", MODEL).stderr.decode()
    done = quantize(tmp_path)
    assert done.returncode == 2 and "exists already" in done.stderr.decode()


def test_a_model_that_was_quantized_is_not_quantized_again(tmp_path):
    assert linnet("quantize", "-o", tmp_path / "out", MODEL).returncode == 0
    done = quantize(tmp_path / "again", model=tmp_path / "out")
    assert done.returncode == 1 and "was written for int8 already" in done.stderr.decode()


def test_a_precision_of_a_later_version_is_refused(tmp_path):
    assert quantize(tmp_path / "out").returncode == 0
    file = tmp_path / "out/model.safetensors"
    file.write_bytes(file.read_bytes().replace(b'"linnet_precision":"int8"', b'"linnet_precision":"int4"'))
    done = linnet("info", tmp_path / "out")
    assert done.returncode == 1 and 'written for precision "int4"' in done.stderr.decode()
