"""The page at GET / in a real browser: Chromium, driven by Playwright."""
import csv
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pace import SLOWNESS
from service import MODELS, ROOT

TASKS = ROOT / "tests/golden/tasks"

PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
DESK = {"viewport": {"width": 1200, "height": 1100}}


def keep_picture(page, name):
    """For docs/page: LINNET_PICTURES=docs/page build/venv/bin/python -m pytest tests/browser"""
    if directory := os.environ.get("LINNET_PICTURES"):
        page.page.screenshot(path=Path(directory) / f"{name}.png", full_page=True)


def test_a_text_is_typed_and_its_labels_appear_as_bars(server, open_page):
    page = open_page(server, **DESK)
    page.type("single-text", "What a wonderful little bird!")
    page.await_text("single-result", "POSITIVE")
    names = page.page.locator("#single-result .name").all_inner_texts()
    values = [float(value.rstrip(" %")) for value in page.page.locator("#single-result .value").all_inner_texts()]
    assert names == ["POSITIVE", "NEGATIVE"] and values[0] > 90 and abs(sum(values) - 100) < 0.2
    page.type("single-text", "What a terrible noise, I hate it.")
    page.await_true("document.querySelector('#single-result .name')?.innerText == 'NEGATIVE'")


def test_what_is_shown_is_what_the_server_answers(server, open_page):
    text = "It was not that bad."
    page = open_page(server)
    page.type("single-text", text)
    answer = server.post("/", {"inputs": text, "parameters": {"top_k": None}}).json
    page.await_text("single-result", f"{100 * answer[0]['score']:.1f} %")
    assert page.page.locator("#single-result .name").first.inner_text() == answer[0]["label"]


def test_the_head_says_what_runs(server, open_page):
    own = server.get("/info").json["linnet"]
    facts = open_page(server).text("facts")
    for word in ("sst2-minilm", "text-classification", own["precision"], own["isa"]):
        assert word in facts


def test_two_texts_stand_side_by_side(server, open_page):
    page = open_page(server, **DESK)
    page.tab("compare")
    page.type("compare-left", "I love it.")
    page.type("compare-right", "I hate it.")
    page.await_text("compare-left-result", "POSITIVE")
    page.await_true("document.querySelector('#compare-right-result .name')?.innerText == 'NEGATIVE'")
    keep_picture(page, "compare")


def test_many_lines_become_a_table_that_can_be_saved(server, open_page, tmp_path):
    page = open_page(server, **DESK)
    page.tab("many")
    texts = [f'line {i}: "quoted", and so on' for i in range(70)]
    page.type("many-texts", "\n".join(texts))
    page.page.click("#many-run")
    page.await_text("many-state", "70 of 70")
    assert page.page.locator("#many-result tbody tr").count() == 70
    for button, suffix in (("many-csv", "csv"), ("many-json", "json")):
        with page.page.expect_download() as download:
            page.page.click(f"#{button}")
        download.value.save_as(tmp_path / suffix)
    rows = list(csv.reader((tmp_path / "csv").open(encoding="utf-8", newline="")))
    assert rows[0] == ["text", "label", "score"] and [row[0] for row in rows[1:]] == texts
    assert [row["text"] for row in json.loads((tmp_path / "json").read_text())] == texts
    keep_picture(page, "many")


def run_shown(page, program):
    return json.loads(subprocess.run(program, input=page.text("call"), capture_output=True, text=True, check=True, timeout=300).stdout)


def test_the_calls_that_are_shown_give_what_is_on_the_screen(server, open_page):
    page = open_page(server)
    page.type("single-text", "It's a \"fine\" day, isn't it? \\o/ é 🐦")
    page.await_text("single-result", "POSITIVE")
    page.tab("curl")
    page.await_text("call", "🐦")  # and not that of the text that the page began with
    by_curl = run_shown(page, ["sh"])
    assert [entry["label"] for entry in by_curl] == page.page.locator("#single-result .name").all_inner_texts()
    page.tab("python")
    # `requests` is not among the tests' packages: its one call, in words of the standard library.
    stand_in = "import json, sys, types, urllib.request as u\n" \
        "class A:\n raise_for_status=lambda s: None\n json=lambda s: s.v\n" \
        "def post(url, json):\n import json as j\n a=A(); a.v=j.load(u.urlopen(u.Request(url, j.dumps(json).encode(), {'Content-Type': 'application/json'}))); return a\n" \
        "m=types.ModuleType('requests'); m.post=post; sys.modules['requests']=m\nexec(sys.stdin.read().replace('print(', 'print(json.dumps(') + ')')"
    assert run_shown(page, [sys.executable, "-c", stand_in]) == by_curl
    page.tab("js")
    shown = page.text("call").replace("console.log(await response.json());", "return await response.json();")
    assert page.page.evaluate(f"async () => {{ {shown} }}") == by_curl


def test_a_server_that_is_gone_is_said_in_words(serve, open_page):
    server = serve()
    page = open_page(server)
    page.await_text("single-result", "POSITIVE")
    server.end()
    page.type("single-text", "Still there?")
    page.await_text("problem", "does not answer")
    page.await_text("live-state", "does not answer")


def test_what_the_server_refuses_is_said_in_its_words_and_goes_with_the_next_answer(serve, open_page):
    page = open_page(serve("--payload-limit", "2000"))
    page.type("single-text", "word " * 1000)
    page.await_text("problem", "2000")
    keep_picture(page, "problem")
    page.type("single-text", "I love it.")
    page.page.wait_for_selector("#problem", state="hidden")


def test_the_live_panel_moves_under_load(server, open_page):
    page = open_page(server, **DESK)
    page.await_true("document.getElementById('live-memory').innerText.endsWith('MiB')")
    stop = threading.Event()

    def load():
        while not stop.is_set():
            server.post("/age", {"inputs": ["I love you."] * 4})

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        page.await_true(f"Number(document.getElementById('live-rate').innerText) > {5 / SLOWNESS}")
        page.await_true("/^[0-9.]+ ms$/.test(document.getElementById('live-p99').innerText)")
        page.await_true("Number(document.getElementById('live-batch').innerText) >= 1")
        assert float(page.text("live-tokens")) > 0 and re.fullmatch(r"[0-9.]+ ms", page.text("live-p50"))
        keep_picture(page, "page")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert "M" in page.page.locator("#spark path").get_attribute("d")


def test_an_embedding_model_compares_and_ranks_by_similarity(serve, open_page):
    server = serve(MODELS / "bert-gelu", "--task", "feature-extraction")
    page = open_page(server, **DESK)
    page.await_text("single-result", "numbers, length")
    page.tab("compare")
    page.await_text("compare-result", "cosine similarity")
    page.tab("rank")
    page.page.wait_for_selector("#rank-result .value")
    texts = page.page.input_value("#rank-texts").split("\n")
    scores = server.post("/similarity", {"inputs": {"source_sentence": page.page.input_value("#rank-query"), "sentences": texts}}).json
    ranked = [text for _, text in sorted(zip(scores, texts), reverse=True)]
    assert page.page.locator("#rank-result .name").all_inner_texts() == ranked
    assert page.said == []


def test_a_reranker_ranks(serve, open_page):
    server = serve(MODELS / "bert-one-label")
    page = open_page(server, **DESK)
    page.tab("rank")
    page.page.wait_for_selector("#rank-result .value")
    texts = page.page.input_value("#rank-texts").split("\n")
    found = server.post("/rerank", {"query": page.page.input_value("#rank-query"), "texts": texts}).json
    assert page.page.locator("#rank-result .name").all_inner_texts() == [texts[entry["index"]] for entry in found]
    assert page.said == []


def test_with_an_api_key_the_browser_asks_for_it_and_the_calls_show_where_it_goes(serve, open_page):
    server = serve("--api-key", "secret")
    page = open_page(server, http_credentials={"username": "anyone", "password": "secret"})
    page.await_text("single-result", "POSITIVE")
    page.await_true("document.getElementById('live-memory').innerText.endsWith('MiB')")
    for tab in ("curl", "python", "js"):
        page.tab(tab)
        assert "Bearer KEY" in page.text("call")


# --- Several models

EMBEDDER = ROOT / "tests/golden/embeddings/mean"


@pytest.fixture
def several(serve, tmp_path):
    return serve("--allow-missing", f"gone={tmp_path / 'gone'}", f"mood={MODELS / 'bert-gelu'}", f"vectors={EMBEDDER}",
                 f"other-mood={MODELS / 'bert-multi-label'}", f"rank={MODELS / 'bert-one-label'}")


def choose(page, name):
    page.page.select_option("#model", name)
    page.await_text("live-model", name)


def best_of(server, name, text):
    return server.post(f"/models/{name}/", {"inputs": text}).json[0]


def test_of_several_models_one_is_chosen_and_asked(several, open_page):
    page = open_page(several, **DESK)
    assert page.page.locator("#model option").all_inner_texts() == ["gone", "mood", "vectors", "other-mood", "rank"]
    choose(page, "mood")
    page.type("single-text", "What a day.")
    for name in ("mood", "other-mood", "mood"):
        choose(page, name)
        best = best_of(several, name, "What a day.")
        page.await_text("single-result", f"{100 * best['score']:.1f} %")
        assert page.page.locator("#single-result .name").first.inner_text() == best["label"]
        assert page.page.input_value("#single-text") == "What a day." and f"/models/{name}/" in page.text("call")
    page.tab("curl")
    assert run_shown(page, ["sh"])[0]["label"] == best["label"]
    choose(page, "vectors")
    page.await_text("single-result", "numbers, length")
    assert "feature-extraction" in page.text("facts") and "/models/vectors/embed" in page.text("call")
    page.tab("rank")
    choose(page, "rank")
    page.page.wait_for_selector("#panel-rank .value")
    choose(page, "mood")
    assert page.page.is_visible("#panel-single") and not page.page.is_visible("#tab-rank")
    assert page.page.evaluate("location.hash") == "#mood" and page.said == []


def test_a_model_that_is_not_there_is_said_in_words(several, open_page):
    page = open_page(several, path="#gone", wait="#problem:not([hidden])")
    page.await_text("problem", "could not be loaded")
    choose(page, "mood")
    page.page.wait_for_selector("#single-result .value")
    assert page.page.is_hidden("#problem")


def test_the_address_names_the_model(several, open_page):
    page = open_page(several, path="#vectors")
    page.await_text("facts", "feature-extraction")
    assert page.page.input_value("#model") == "vectors"


def test_an_address_that_names_nothing_leaves_the_page_as_it_is(several, open_page):
    page = open_page(several, path="#100%", wait="#problem:not([hidden]), #facts dd")
    choose(page, "mood")
    page.type("single-text", "What a day.")
    page.page.wait_for_selector("#single-result .value")
    assert page.said == []


def test_a_models_own_page_speaks_of_it_alone(several, open_page):
    page = open_page(several, path="models/other-mood/")
    page.type("single-text", "What a day.")
    page.await_text("single-result", f"{100 * best_of(several, 'other-mood', 'What a day.')['score']:.1f} %")
    assert page.page.is_hidden("#model-row") and "/models/other-mood/" in page.text("call") and page.said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [DESK, PHONE], ids=["desk", "phone"])
def test_the_live_panel_tells_the_models_apart(several, open_page, device, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_page(several, color_scheme=scheme, path="#vectors", **device)
    stop = threading.Event()

    def load():
        while not stop.is_set():
            several.post("/v1/embeddings", {"input": "I love you.", "model": "vectors"})

    thread = threading.Thread(target=load)
    thread.start()
    try:
        page.await_true("Number(document.getElementById('live-rate').innerText) > 5", seconds=20)
        rows = {row[0]: row[1:] for row in (line.split("\t") for line in page.text("live-models").splitlines()[1:])}
        assert set(rows) == {"gone", "mood", "vectors", "other-mood", "rank"}
        assert float(rows["vectors"][0]) > 5 and float(rows["other-mood"][0]) == 0 and rows["gone"][0] == "–"
        assert page.text("live-title") == "Live: vectors" and float(page.text("live-tokens")) > 0
        found = axe.Axe().run(page.page)
        assert found.violations_count == 0, found.generate_report()
        assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the screen"
        keep_picture(page, f"several-{scheme}-{'phone' if device is PHONE else 'desk'}")
        choose(page, "rank")
        page.await_true("document.getElementById('live-rate').innerText == '0.0'")
    finally:
        stop.set()
        thread.join()


def test_entities_are_marked_where_they_stand(serve, open_page):
    server = serve(TASKS / "bert-ner")
    page = open_page(server)
    text = "\U0001f426 Ada Lovelace was born in London."
    page.type("single-text", text)
    found = server.post("/", {"inputs": text, "parameters": {"aggregation_strategy": "simple"}}).json
    page.await_true(f"document.querySelectorAll('#single-result mark').length == {len(found)}")
    marked = [mark.split("\n")[0] for mark in page.page.locator("#single-result mark").all_inner_texts()]
    assert found and all(entity["entity_group"] in mark for entity, mark in zip(found, marked))
    assert all(text[entity["start"]:entity["end"]] in mark for entity, mark in zip(found, marked))
    assert page.said == []


@pytest.mark.parametrize("model, options, texts", [
    ("bert-mlm", [], "The bird [MASK] in the tree."),
    ("bert-nli", ["--task", "zero-shot-classification"], "The train to Vienna leaves at nine."),
    ("bert-mlm", ["--pooling", "splade"], "The train to Vienna leaves at nine."),
])
def test_other_tasks_are_shown_as_bars(serve, open_page, model, options, texts):
    page = open_page(serve(TASKS / model, *options))
    page.type("single-text", texts)
    page.page.wait_for_selector("#single-result .value")
    values = [float(value.rstrip(" %")) for value in page.page.locator("#single-result .value").all_inner_texts()]
    assert len(values) > 1 and values == sorted(values, reverse=True) and page.said == []


def test_one_line_alone_shows_all_words_for_its_mask(serve, open_page):
    page = open_page(serve(TASKS / "roberta-mlm"))
    assert "<mask>" in page.page.input_value("#single-text")
    page.tab("many")
    page.type("many-texts", "The bird <mask> in the tree.")
    page.page.click("#many-run")
    page.await_text("many-state", "1 of 1")
    assert "%" in page.page.inner_text("#many-result tbody td:last-child") and page.said == []


def test_tabs_work_by_keyboard(server, open_page):
    page = open_page(server)
    page.page.focus("#tab-single")
    page.page.keyboard.press("ArrowRight")
    assert page.page.evaluate("document.activeElement.id") == "tab-compare" and page.page.is_visible("#panel-compare")
    page.page.keyboard.press("ArrowLeft")
    page.page.keyboard.press("ArrowLeft")
    assert page.page.evaluate("document.activeElement.id") == "tab-many" and page.page.is_visible("#panel-many")
    page.page.keyboard.press("Tab")
    assert page.page.evaluate("document.activeElement.id") == "many-texts"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_no_violation(server, open_page, scheme, device):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_page(server, color_scheme=scheme, **device)
    for tab, field in (("single", "single-text"), ("compare", "compare-left"), ("many", "many-texts")):
        page.tab(tab)
        page.type(field, "I love it.")
        if tab == "many":
            page.page.click("#many-run")
            page.await_text("many-state", "1 of 1")
        else:
            page.page.wait_for_selector(f"#panel-{tab} .bars")
        found = axe.Axe().run(page.page)
        assert found.violations_count == 0, found.generate_report()
    assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the screen"
    page.tab("single")
    keep_picture(page, f"{scheme}-{'phone' if device is PHONE else 'desk'}")


def test_nothing_is_fetched_from_outside_and_nothing_is_complained_of(server, open_page):
    page = open_page(server)
    for tab in ("compare", "many", "single", "python", "js"):
        page.tab(tab)
    page.await_text("single-result", "POSITIVE")
    assert page.said == []
    assert page.asked and all(address.startswith(page.address) for address in page.asked)


def test_the_page_forbids_what_it_does_not_use(server):
    answer = server.get("/")
    policy = answer.fields["content-security-policy"]
    assert answer.status == 200 and answer.fields["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert answer.fields["x-content-type-options"] == "nosniff"


def test_no_ui_turns_it_off_and_leaves_the_api(serve):
    server = serve("--no-ui")
    assert server.get("/").status == 404 and server.get("/ui/app.js").status == 404
    assert server.post("/", {"inputs": "I love you."}).status == 200
