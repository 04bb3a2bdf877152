"""POST /tokenize and /decode against the `tokenizers` package, which text-embeddings-inference itself uses."""
import json
import shutil

import pytest
import tokenizers

from service import ROOT, linnet

TEXTS = ["I love you.", "", "Unaffable \u00fcn\u00efcode \u4e2d\u6587 \U0001f600!", "a\u0301bc  [MASK] x", "tabs\tand\nlines", "word " * 700]


@pytest.fixture(scope="module")
def oracle():
    tokenizer = tokenizers.Tokenizer.from_file(str(ROOT / "models/sst2-minilm/tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def wanted(oracle, text, special=True):
    encoding = oracle.encode(text, add_special_tokens=special)
    return [{"id": id, "text": token if mask else text[start:stop], "special": bool(mask),
             "start": None if mask else start, "stop": None if mask else stop}
            for id, token, mask, (start, stop) in zip(encoding.ids, encoding.tokens, encoding.special_tokens_mask, encoding.offsets)]


@pytest.mark.parametrize("special", [True, False])
def test_tokens_are_those_of_the_package_with_their_places(server, oracle, special):
    answer = server.post("/tokenize", {"inputs": TEXTS, "add_special_tokens": special})
    assert answer.status == 200, answer.body
    for text, tokens in zip(TEXTS, answer.json, strict=True):
        assert tokens == wanted(oracle, text, special), text[:40]


def test_one_text_is_answered_in_a_list_too(server, oracle):
    assert server.post("/tokenize", {"inputs": TEXTS[0]}).json == [wanted(oracle, TEXTS[0])]


@pytest.mark.parametrize("skip", [True, False, None])
def test_ids_become_the_texts_of_the_package(server, oracle, skip):
    ids = [oracle.encode(text).ids for text in TEXTS]
    body = {"ids": ids} if skip is None else {"ids": ids, "skip_special_tokens": skip}
    answer = server.post("/decode", body)
    assert answer.status == 200, answer.body
    assert answer.json == oracle.decode_batch(ids, skip_special_tokens=skip is not False)
    assert server.post("/decode", {"ids": ids[0]}).json == ["i love you."]


def test_a_list_over_the_limit_is_not_refused(serve):
    server = serve("--max-client-batch-size", 3)
    assert len(server.post("/tokenize", {"inputs": ["a"] * 10}).json) == 10
    assert server.post("/decode", {"ids": [[1037]] * 10}).json == ["a"] * 10


@pytest.mark.parametrize("path, body, status", [
    ("/tokenize", {"inputs": []}, 400), ("/tokenize", {"inputs": [1]}, 422), ("/tokenize", {}, 422),
    ("/tokenize", {"inputs": "a", "add_special_tokens": 1}, 422), ("/decode", {"ids": []}, 400), ("/decode", {"ids": "a"}, 422),
    ("/decode", {"ids": [[-1]]}, 422), ("/decode", {"ids": ["a"]}, 422), ("/decode", {"ids": [[]]}, 400),
])
def test_what_is_neither_text_nor_ids_is_refused(server, path, body, status):
    assert server.post(path, body).status == status
    assert server.post(path, {"inputs": "a"} if path == "/tokenize" else {"ids": [1037]}).status == 200


def test_a_token_with_a_nul_in_it_is_whole(serve, tmp_path):
    """In the vocabulary, around the text, and an added one; by `linnet tokenize` and over HTTP."""
    model, names = tmp_path / "model", ["[PAD]", "[UNK]", "[C\0LS]", "e\0f", "\0", "g"]
    shutil.copytree(ROOT / "tests/golden/tasks/bert-ner", model)
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({name: id for id, name in enumerate(names)}, "[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(single="[C\0LS] $A", special_tokens=[("[C\0LS]", 2)])
    tokenizer.add_special_tokens(["[C\0LS]", "<\0>"])
    (model / "tokenizer.json").write_text(tokenizer.to_str())
    (model / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]", "clean_up_tokenization_spaces": False}))
    text, ids = "e\0f \0 g <\0>", [2, 3, 4, 5, 6]
    theirs = tokenizer.encode(text)
    assert theirs.ids == ids
    done = linnet("tokenize", "--input", "jsonl", model, stdin=json.dumps({"text": text}).encode())
    assert json.loads(done.stdout) == {"ids": ids, "tokens": theirs.tokens}
    server = serve(model)
    assert server.post("/tokenize", {"inputs": text}).json == [wanted(tokenizer, text)]
    for skip in (False, True):
        assert server.post("/decode", {"ids": ids, "skip_special_tokens": skip}).json == [tokenizer.decode(ids, skip_special_tokens=skip)]


def test_decoding_ids_that_no_token_has_is_no_crash(server):
    assert server.post("/decode", {"ids": [2 ** 31 - 1, 1037]}).status in (200, 422)
