"""Several models in one process: which one a request is for, what they share, and what one of them cannot break."""
import html
import json
import re
import threading

import pytest

from service import MODELS, ROOT, Service, linnet

EMBEDDER = ROOT / "tests/golden/embeddings/mean"
OTHER_EMBEDDER = ROOT / "tests/golden/embeddings/concatenated"
CROSS_ENCODER = ROOT / "tests/golden/cross-encoder"
CLASSIFIER = MODELS / "bert-gelu"
TEXT = {"inputs": "I love it"}


def row(directory):
    return json.loads((directory / "golden.jsonl").read_text().splitlines()[4])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    service = Service(tmp_path_factory.mktemp("serve") / "log", f"mood={CLASSIFIER}", f"small={EMBEDDER}",
                      f"large={OTHER_EMBEDDER}", f"rank={CROSS_ENCODER}")
    yield service
    assert service.end() == 0


def near(got, want):
    return len(got) == len(want) and max(abs(a - b) for a, b in zip(got, want)) < 1e-5


@pytest.mark.parametrize("name, directory", [("small", EMBEDDER), ("large", OTHER_EMBEDDER)])
def test_a_path_below_models_is_the_named_model_s(server, name, directory):
    want = row(directory)
    answer = server.post(f"/models/{name}/embed", {"inputs": want["text"]})
    assert answer.status == 200 and near(answer.json[0], want["embedding"])
    assert server.get(f"/models/{name}/info").json["model_id"] == str(directory)
    assert server.get(f"/models/{name}/health").json == {"status": "ok"}


@pytest.mark.parametrize("name, directory", [("small", EMBEDDER), ("large", OTHER_EMBEDDER)])
def test_the_model_field_names_the_model(server, name, directory):
    want = row(directory)
    answer = server.post("/v1/embeddings", {"input": want["text"], "model": name})
    assert answer.status == 200 and answer.json["model"] == name
    assert near(answer.json["data"][0]["embedding"], want["embedding"])
    answer = server.post("/v2/rerank", {"query": "music", "documents": ["a song", "a table"], "model": "rank"})
    assert answer.status == 200 and len(answer.json["results"]) == 2


def test_without_a_name_the_first_model_that_the_path_is_for_answers(server):
    assert near(server.post("/embed", {"inputs": row(EMBEDDER)["text"]}).json[0], row(EMBEDDER)["embedding"])
    assert [label["label"] for label in server.post("/predict", TEXT).json][0] in ("NEGATIVE", "POSITIVE")
    assert server.post("/age", TEXT).json == server.post("/models/mood/age", TEXT).json
    assert server.get("/info").json["model_id"] == str(CLASSIFIER)
    assert server.get("/info").json["linnet"]["models"] == ["mood", "small", "large", "rank"]


def test_an_answer_has_the_bits_of_a_server_with_that_model_alone(server, serve):
    alone = serve(EMBEDDER)
    assert alone.post("/embed", TEXT).body == server.post("/models/small/embed", TEXT).body
    alone = serve(CLASSIFIER)
    assert alone.post("/age", TEXT).body == server.post("/models/mood/age", TEXT).body


@pytest.mark.parametrize("method, path, body", [
    ("GET", "/models/nobody/info", None),
    ("POST", "/models/nobody/embed", json.dumps(TEXT)),
    ("POST", "/models/nobody", json.dumps(TEXT)),
    ("POST", "/v1/embeddings", json.dumps({"input": "a", "model": "nobody"})),
    ("GET", "/v1/models/nobody", None),
])
def test_an_unknown_model_is_404_with_the_names(server, method, path, body):
    answer = server.request(method, path, body)
    assert answer.status == 404
    for name in ("nobody", "mood", "small", "large", "rank"):
        assert f'\\"{name}\\"' in answer.body.decode()


def test_a_model_of_another_kind_says_so(server):
    answer = server.post("/models/mood/embed", TEXT)
    assert answer.status >= 400 and "text-classification" in answer.body.decode()


def test_a_refusal_before_the_body_has_the_form_of_the_path_below_the_model(server):
    answer = server.post("/models/small/v1/embeddings", {"input": "a" * (3 << 20)})
    assert answer.status == 413 and answer.json["error"]["code"] == "too_large"


def test_all_models_are_listed(server):
    assert [model["id"] for model in server.get("/v1/models").json["data"]] == ["mood", "small", "large", "rank"]
    assert server.get("/v2/models/rank").json["name"] == "rank"


def test_openapi_names_the_models_that_can_answer_each_path(server):
    openapi = server.get("/openapi.json").json
    assert [entry["url"] for entry in openapi["servers"]] == ["/", "/models/mood", "/models/small", "/models/large", "/models/rank"]

    def names(path):
        return next(iter(openapi["paths"][path].values()))["parameters"][0]["schema"]["enum"]

    assert names("/v1/models/{model}") == names("/models/{model}") == ["mood", "small", "large", "rank"]
    field = openapi["components"]["schemas"]["OpenAIEmbeddingsRequest"]["allOf"][0]["properties"]["model"]
    assert field == {"enum": ["small", "large", None]}
    assert openapi["components"]["schemas"]["Dimensions"]["maximum"] == len(row(EMBEDDER)["embedding"])


def test_each_model_has_a_description_of_its_own(server):
    openapi = server.get("/models/large/openapi.json").json
    assert [entry["url"] for entry in openapi["servers"]] == ["/models/large"]
    assert openapi["components"]["schemas"]["Dimensions"]["maximum"] == len(row(OTHER_EMBEDDER)["embedding"])
    assert openapi["paths"]["/embed"]["post"]["x-served"] and not openapi["paths"]["/predict"]["post"]["x-served"]
    assert openapi["paths"]["/v1/models/{model}"]["get"]["parameters"][0]["schema"]["enum"] == ["large"]


@pytest.mark.parametrize("base", ["", "/models/mood", "/models/large", "/models/rank"])
def test_docs_link_to_each_model_and_their_examples_are_answered_where_a_model_can(server, base):
    page = server.get(base + "/docs").body.decode()
    served = {path for path, methods in server.get(base + "/openapi.json").json["paths"].items() if methods.get("post", {}).get("x-served")}
    if not base:
        for name in ("mood", "small", "large", "rank"):
            assert f'href="models/{name}/docs"' in page and server.get(f"/models/{name}/docs").status == 200
    shown = re.findall(r"<h3>POST (\S+)</h3>\n<p>[^<]*</p>\n<pre><code>curl http://[^/]+(/\S*) .*?-d '(.*?)'</code>", page)
    assert len(shown) > 10 and all(path.startswith(base) and real.startswith(base) for path, real, _ in shown)
    for path, real, body in shown:
        answer = server.post(real, html.unescape(body))
        assert (answer.status == 200) == (path.removeprefix(base) in served), (path, real, answer.body)


def samples(server, path="/metrics"):
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
            for line in server.get(path).body.decode().splitlines() if not line.startswith("#")}


def test_metrics_have_a_label_for_the_model_and_each_name_once(server):
    before = samples(server)
    server.post("/models/large/embed", TEXT)
    after = samples(server)
    grown = {name for name in ("mood", "small", "large", "rank")
             if after[f'linnet_tokens_total{{model="{name}"}}'] > before[f'linnet_tokens_total{{model="{name}"}}']}
    assert grown == {"large"}
    heads = re.findall(r"^# TYPE (\S+)", server.get("/metrics").body.decode(), re.M)
    assert len(heads) == len(set(heads))
    assert 'te_embed_count{model="large"}' in after and 'linnet_model_info{model="rank",model_type="bert"' in str(after)


def test_the_metrics_of_several_models_parse_strictly(server):
    parser = pytest.importorskip("prometheus_client.parser")
    families = {family.name: family for family in parser.text_string_to_metric_families(server.get("/metrics").body.decode())}
    assert {sample.labels["model"] for sample in families["linnet_queue_items"].samples} == {"mood", "small", "large", "rank"}


def test_a_flood_on_one_model_leaves_the_others_their_answers(serve):
    server = serve(f"busy={OTHER_EMBEDDER}", f"calm={CLASSIFIER}", "--max-concurrent-requests", "4")
    stop = threading.Event()
    statuses = set()

    def flood():
        while not stop.is_set():
            statuses.add(server.post("/models/busy/embed", {"inputs": ["never " * 40] * 400}).status)

    threads = [threading.Thread(target=flood) for _ in range(12)]
    for thread in threads:
        thread.start()
    try:
        assert {server.post("/models/calm/age", TEXT).status for _ in range(40)} == {200}
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert 200 in statuses and statuses <= {200, 429}


# --- The command line


@pytest.mark.parametrize("arguments, words", [
    ([f"a={EMBEDDER}", str(CLASSIFIER)], "is not"),
    ([f"a={EMBEDDER}", f"a={CLASSIFIER}"], 'two models are named "a"'),
    (["a="], "a= has no model behind it"),
    ([f"a={EMBEDDER}", f"b={CLASSIFIER}", "--pooling", "cls"], "--pooling is for one model"),
    ([f"a={EMBEDDER}", f"b={CLASSIFIER}", "--task", "feature-extraction"], "--task is for one model"),
    ([f"a={EMBEDDER}", f"b={CLASSIFIER}", "--revision", "x"], "want NAME=owner/name@revision"),
    ([f"a={EMBEDDER}", "--model-id", str(CLASSIFIER)], "--model-id is for one model"),
    ([f"m{i}={EMBEDDER}" for i in range(17)], "at most 16"),
])
def test_a_wrong_list_of_models_is_refused_in_words(arguments, words):
    done = linnet("serve", "--port", "0", *arguments)
    assert done.returncode == 2 and words in done.stderr.decode(), done.stderr


def test_a_model_that_cannot_be_loaded_ends_the_start_and_is_named(tmp_path):
    done = linnet("serve", "--port", "0", f"good={EMBEDDER}", f"bad={tmp_path}")
    assert done.returncode == 1 and "bad: " in done.stderr.decode() and "config.json" in done.stderr.decode()


def test_with_allow_missing_the_others_are_served_and_the_failure_is_told(serve, tmp_path):
    (tmp_path / "empty").mkdir()
    server = serve("--allow-missing", f"bad={tmp_path / 'empty'}", f"good={EMBEDDER}")
    assert server.post("/models/good/embed", TEXT).status == 200
    assert server.post("/embed", TEXT).status == 200
    answer = server.post("/models/bad/embed", TEXT)
    assert answer.status == 503 and "could not be loaded" in answer.body.decode() and "config.json" in answer.body.decode()
    assert server.get("/health").json == {"status": "degraded"}
    assert server.get("/models/bad/health").status == 503
    answer = server.get("/v2/models/bad")
    assert answer.status == 503 and "could not be loaded" in answer.json["error"] and "retry-after" not in answer.fields


def test_with_allow_missing_the_first_may_be_the_one_that_is_missing(serve, tmp_path):
    server = serve("--allow-missing", f"bad={tmp_path / 'gone'}", f"vectors={EMBEDDER}", f"mood={CLASSIFIER}")
    assert server.get("/health").json == {"status": "degraded"} and server.get("/v2/health/ready").status == 200
    assert [model["id"] for model in server.get("/v1/models").json["data"]] == ["vectors", "mood"]
    assert server.get("/models/bad/v1/models").status == 503
    for model, task in (("mood", "text-classification"), ("bad", "could not be loaded")):
        answer = server.post("/v1/embeddings", {"input": "a", "model": model})
        assert answer.status in (400, 503) and task in answer.json["error"]["message"], answer.json
    assert server.post("/", {"inputs": "a", "model": "mood"}).status == 200


def test_age_means_a_classifier_before_models_of_other_tasks(serve):
    tasks, inputs = ROOT / "tests/golden/tasks", {"inputs": "The staff was kind."}
    server = serve(f"vectors={EMBEDDER}", f"names={tasks / 'bert-ner'}", f"mood={CLASSIFIER}")
    assert server.post("/age", inputs).json == server.post("/models/mood/age", inputs).json
    assert server.post("/models/names/age", inputs).json == server.post("/models/names/", inputs).json
    server = serve(f"vectors={EMBEDDER}", f"names={tasks / 'bert-ner'}")
    answer = server.post("/age", inputs)
    assert answer.status == 200 and answer.json == server.post("/models/names/", inputs).json


@pytest.mark.parametrize("option", ["--default-prompt", "--default-prompt-name"])
def test_with_allow_missing_a_prompt_may_be_for_the_model_that_is_missing(serve, tmp_path, option):
    server = serve("--allow-missing", option, "query", f"vectors={tmp_path / 'gone'}", f"mood={CLASSIFIER}")
    assert server.post("/models/mood/predict", TEXT).status == 200
    assert server.post("/models/vectors/embed", TEXT).status == 503


def test_with_allow_missing_a_start_without_any_model_fails(tmp_path):
    done = linnet("serve", "--port", "0", "--allow-missing", f"bad={tmp_path}")
    assert done.returncode == 1


def test_one_named_model_is_served_under_its_name(serve):
    server = serve(f"only={EMBEDDER}")
    assert server.get("/v1/models").json["data"][0]["id"] == "only"
    assert server.post("/embed", TEXT).status == 200
