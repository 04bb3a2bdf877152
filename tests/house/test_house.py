"""The house: which folder may include which, and how large a room may be. docs/architecture.md is the plan."""
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FLOORS = [["base"], ["kern", "text", "http", "hub", "pyworker"], ["model"], ["engine"], ["lib", "sched"], ["api"], ["cli"]]
FLOOR = {folder: height for height, folders in enumerate(FLOORS) for folder in folders}
GENERATED = {"src/text/unicode_tables.c"}
LONGEST_FILE = 600


def tracked(*patterns):
    names = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in names.splitlines() if (ROOT / name).is_file()]


def includes(name):
    return re.findall(r'#\s*include\s+["<]([^">]+)[">]', (ROOT / name).read_text())


def test_every_folder_of_src_has_a_floor():
    assert {Path(name).parts[1] for name in tracked("src/*.c", "src/*.h", "src/*.S")} == set(FLOOR)


def test_a_folder_includes_only_itself_and_lower_floors():
    up = []
    for name in tracked("src/*.c", "src/*.h"):
        home = Path(name).parts[1]
        for included in includes(name):
            folder = included.split("/")[0]
            if folder in FLOOR and folder != home and FLOOR[folder] >= FLOOR[home]:
                up.append(f"{name} includes {included}")
    assert not up


def test_what_the_page_about_families_quotes_stands_in_the_sources():
    quoted = re.findall(r"```(c|python)\n(.*?)```", (ROOT / "docs/families.md").read_text(), re.S)
    sources = {"c": ["src/model/families.c"], "python": ["tools/make_families.py", "tools/make_tasks.py"]}
    assert len(quoted) >= 4
    for language, code in quoted:
        assert any(code in (ROOT / name).read_text() for name in sources[language]), code


def test_the_page_about_python_names_every_field_of_load_and_ready():
    import ast

    page = (ROOT / "docs/ffi.md").read_text()
    told = {name: set(re.search(rf"\| \d {name} \|.*?\{{([a-z_, ]+)\}}", page)[1].split(", ")) for name in ("LOAD", "READY")}
    written = re.search(r"static bool write_load\(.*?\n}\n", (ROOT / "src/engine/python.c").read_text(), re.S)[0]
    assert told["LOAD"] == {a or b for a, b in re.findall(r'json_put_field\(&out, "(\w+)"|\\"(\w+)\\":', written)}
    worker = ast.parse((ROOT / "python/linnet_worker.py").read_text())
    described = [node.value for function in ast.walk(worker) if isinstance(function, ast.FunctionDef) and function.name == "describe"
                 for node in ast.walk(function) if isinstance(node, ast.Return)]
    assert len(described) == 2
    assert told["READY"] == {key.value for answer in described for key in answer.keys}


def test_libuv_and_llhttp_are_known_in_http_only_and_in_no_public_header():
    users = {name for name in tracked("src/*.c", "src/*.h", "include/*.h") if {"uv.h", "llhttp.h"} & set(includes(name))}
    assert users and all(name.startswith("src/http/") for name in users) and "src/http/http.h" not in users


def test_libcurl_and_openssl_are_known_in_hub_only():
    users = {name for name in tracked("src/*.c", "src/*.h") if {"curl/curl.h", "openssl/evp.h"} & set(includes(name))}
    assert users == {"src/hub/libs.h"}


def test_no_program_links_libcurl():
    import os

    needed = subprocess.run(["readelf", "--dynamic", ROOT / os.environ.get("LINNET_BUILD", "build/release") / "linnet"], check=True,
                            capture_output=True, text=True).stdout
    assert "libc.so" in needed and "curl" not in needed


def test_the_public_header_stands_alone(tmp_path):
    (tmp_path / "alone.c").write_text("#include <linnet.h>\nint main(void) { return 0; }\n")
    for command in (["cc", "-std=c99"], ["c++", "-x", "c++", "-std=c++11"]):
        subprocess.run([*command, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", ROOT / "include", tmp_path / "alone.c"],
                       check=True)


def build_example(name, tmp_path):
    import os

    build = ROOT / os.environ.get("LINNET_BUILD", "build/release")
    example = ROOT / f"examples/{name}.c"
    assert {name for name in includes(f"examples/{name}.c") if not name.startswith(("std", "math"))} == {"linnet.h"}
    assert len(example.read_text().splitlines()) < 40
    sanitizers = re.search(r'"b_sanitize", "value": "([a-z,]+)"', subprocess.run(
        ["meson", "introspect", "--buildoptions", build], capture_output=True, text=True).stdout)
    flags = ["-fsanitize=" + sanitizers[1]] if sanitizers and sanitizers[1] != "none" else []
    program = tmp_path / name
    subprocess.run(["cc", *flags, example, "-I", ROOT / "include", build / "liblinnet.a", "-lm", "-lpthread", "-o", program],
                   check=True)
    return program


def test_the_example_of_embeddings_gives_the_cosines_of_the_golden_ones(tmp_path):
    import json
    import math

    program, model = build_example("embed", tmp_path), ROOT / "tests/golden/embeddings/concatenated"
    rows = [json.loads(line) for line in (model / "golden.jsonl").read_text().splitlines()][4:8]
    done = subprocess.run([program, model, *(row["text"] for row in rows)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first = rows[0]["embedding"]
    for line, row in zip(done.stdout.splitlines(), rows[1:], strict=True):
        want = sum(map(math.prod, zip(first, row["embedding"], strict=True)))  # of length 1 each
        cosine, text = line.split(" ", 1)
        assert abs(float(cosine) - want) < 2e-6 and text == row["text"]
    refused = subprocess.run([program, ROOT / "models/sst2-minilm", "a", "b"], capture_output=True, text=True)
    assert refused.returncode == 1 and refused.stderr.startswith("unsupported_model: the model is for text-classification")


def test_the_example_uses_only_the_public_header_and_runs(tmp_path):
    program = build_example("classify", tmp_path)
    done = subprocess.run([program, ROOT / "models/sst2-minilm", "I love it.", "I hate it."], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["POSITIVE", "NEGATIVE"]
    failed = subprocess.run([program, tmp_path, "text"], capture_output=True, text=True)
    assert failed.returncode == 1 and "has no config.json" in failed.stderr


def test_the_library_shows_only_its_own_names():
    import os

    library = ROOT / os.environ.get("LINNET_BUILD", "build/release") / "liblinnet.a"
    symbols = subprocess.run(["nm", "--extern-only", "--defined-only", library], capture_output=True, text=True).stdout
    names = re.findall(r" [TDBRVW] (\S+)", symbols)
    assert names and all(name.startswith("linnet_") for name in names), names


def test_no_file_has_more_than_600_lines():
    long = {name for name in tracked("*.c", "*.h", "*.py", "*.S") if len((ROOT / name).read_text().splitlines()) > LONGEST_FILE}
    assert long == GENERATED


def test_every_header_begins_with_its_contract():
    bare = [name for name in tracked("src/*.h", "include/*.h") if not (ROOT / name).read_text().startswith("/* ")]
    assert not bare
