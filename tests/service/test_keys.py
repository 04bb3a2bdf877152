"""API keys: who may ask, and what the others are told."""
import base64
import json

import pytest

from service import ORIGIN, Service, linnet


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    directory = tmp_path_factory.mktemp("guarded")
    keys = directory / "keys"
    keys.write_text("# of the shop\nshop-key\n\n  office-key  \n")
    service = Service(directory / "log", "--api-key", "main-key", "--api-key-file", keys)
    yield service
    assert service.end() == 0


@pytest.mark.parametrize("shown", ["Bearer main-key", "bearer shop-key", "Bearer  office-key"])
def test_each_key_opens_every_path(guarded, shown):
    assert guarded.post("/age", ORIGIN, authorization=shown).status == 200
    assert guarded.request("GET", "/info", authorization=shown).status == 200


@pytest.mark.parametrize("shown", ["", "Bearer ", "Bearer main", "Bearer main-key2", "Bearer # of the shop", "Basic main-key",
                                   "main-key", "Bearer main-keymain-key"])
def test_any_other_word_opens_none(guarded, shown):
    answer = guarded.post("/age", ORIGIN, **({"authorization": shown} if shown else {}))
    assert answer.status == 401 and answer.fields["www-authenticate"] == "Bearer"
    assert answer.json["error_type"] == "unauthorized" and "API key" in answer.json["error"]


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("shown, status", [
    (basic("anyone:main-key"), 200), (basic(":shop-key"), 200), (basic("anyone:main"), 401), (basic("main-key"), 401),
    (basic("main-key:"), 401), (basic("a:main-key:"), 401), (basic("a:main-key\0"), 401), (basic("a:main-key")[:-1], 401),
    (basic("a:main-key") + "====", 401), ("Basic !!!!", 401), ("Basic =", 401), ("Basic ====", 401), ("Basic ", 401),
    (basic("a" * 9000 + ":main-key"), 401),
], ids=range(14))
def test_a_browser_shows_a_key_as_the_password_of_any_name(guarded, shown, status):
    assert guarded.request("GET", "/", authorization=shown).status == status


def test_a_browser_is_asked_for_a_key_and_told_how(guarded):
    answer = guarded.request("GET", "/", accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert answer.status == 401 and answer.fields["www-authenticate"].startswith('Basic realm="linnet')
    assert "as the password" in answer.json["error"]
    assert guarded.request("GET", "/", accept="*/*").fields["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("method, site, shown, status", [
    ("POST", "cross-site", basic(":main-key"), 403), ("POST", "same-origin", basic(":main-key"), 200),
    ("POST", "cross-site", "Bearer main-key", 200), ("POST", "cross-site", basic(":main"), 401),
    ("GET", "cross-site", basic(":main-key"), 200),
])
def test_a_page_of_another_site_cannot_compute_with_the_key_that_a_browser_keeps(guarded, method, site, shown, status):
    body = json.dumps(ORIGIN) if method == "POST" else None
    answer = guarded.request(method, "/age" if body else "/info", body, sec_fetch_site=site, authorization=shown)
    assert answer.status == status, answer.body
    if status == 403:
        assert answer.json["error_type"] == "forbidden" and "Authorization: Bearer KEY" in answer.json["error"]


@pytest.mark.parametrize("path, message", [
    ("/age", lambda body: body["error"]),
    ("/predict", lambda body: body["error"]),
    ("/v1/embeddings", lambda body: body["error"]["message"]),
    ("/v1/rerank", lambda body: body["message"]),
    ("/v2/models/sst2-minilm/infer", lambda body: body["error"]),
    ("/no/such/path", lambda body: body["error"]),
])
def test_the_refusal_has_the_form_of_the_dialect(guarded, path, message):
    answer = guarded.post(path, {})
    assert answer.status == 401 and "Authorization: Bearer KEY" in message(answer.json)
    if path == "/v1/embeddings":
        assert answer.json["error"]["code"] == "invalid_api_key"


def test_without_a_key_only_live_and_health_answer(guarded):
    paths = ["/live", "/health", "/ping", "/info", "/metrics", "/docs", "/openapi.json", "/v1/models", "/v2", "/v2/health/live"]
    assert [guarded.get(path).status for path in paths] == [200, 200] + [401] * 8
    openapi = guarded.request("GET", "/openapi.json", authorization="Bearer main-key").json
    assert openapi["paths"]["/info"]["get"]["security"] == [{"key": []}] and "security" not in openapi["paths"]["/live"]["get"]


@pytest.mark.parametrize("content, words", [("", "has no key"), ("# nothing\n", "has no key"), ("two words\n", "line 1")])
def test_a_key_file_that_holds_none_is_refused_at_the_start(tmp_path, content, words):
    path = tmp_path / "keys"
    path.write_text(content)
    done = linnet("serve", "--port", "0", "--api-key-file", path)
    assert done.returncode == 2 and words in done.stderr.decode()
    assert linnet("serve", "--port", "0", "--api-key", "").returncode == 2
