"""Directories read as transformers' AutoTokenizer reads them: vocab.txt or tokenizer.json with tokenizer_config.json.

Needs a Python that has transformers: LINNET_TRANSFORMERS_PYTHON, or the one in ~/.cache/linnet/torch-venv.
"""

import json
import os
import subprocess
from pathlib import Path

import oracle
import pytest
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

PYTHON = Path(os.environ.get("LINNET_TRANSFORMERS_PYTHON",
                             Path.home() / ".cache/linnet/torch-venv/bin/python"))
pytestmark = [pytest.mark.skipif(not PYTHON.exists(), reason=f"needs a Python with transformers at {PYTHON}"),
              pytest.mark.transformers]

WORDS = ["the", "The", "THE", "caf\u00e9", "cafe", "Caf\u00e9", "\u4e2d", "\u4e2d\u56fd", "##\u56fd", "i", "\u0130", "##\u0307", "un", "##able",
         "##believ", "!", "[", "]", "mask", "cls", "unk", "e\u0301", "x"]
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
TEXTS = ["the The THE", "caf\u00e9 cafe Caf\u00e9 cafe\u0301", "\u4e2d\u56fd \u4e2d", "\u0130 i", "unbelievable!", "[MASK] [mask] [CLS]x[SEP]", "", " ",
         "[NEW] [new] the[NEW]the", "x" * 101, "<s> </s> <img>", "a\0b", "[UNK][PAD]"]
CASES = [[text, None] for text in TEXTS] + [["the", "cafe"], ["[NEW]", "The \u4e2d\u56fd"]]
CONFIG_JSON = {"model_type": "bert", "architectures": ["BertForSequenceClassification"]}


def added(content, **flags):
    return {"__type": "AddedToken", "content": content, "lstrip": False, "normalized": False, "rstrip": False,
            "single_word": False, **flags}


def decoder(*entries):
    return {str(number): {key: value for key, value in added(content, special=special, **flags).items() if key != "__type"}
            for number, content, special, flags in entries}


BERT_DECODER = decoder(*((number, content, True, {}) for number, content in enumerate(VOCAB[:5])))

CONFIGS = {
    "none": None,
    "empty": {},
    "cased": {"do_lower_case": False},
    "stripped": {"do_lower_case": False, "strip_accents": True},
    "with_accents": {"strip_accents": False},
    "null_accents": {"strip_accents": None, "do_lower_case": False},
    "no_chinese": {"tokenize_chinese_chars": False},
    "distilbert": {"tokenizer_class": "DistilBertTokenizer", "model_max_length": 512, "do_lower_case": False},
    "electra": {"tokenizer_class": "ElectraTokenizerFast", "do_lower_case": False},
    "bert_fast": {"tokenizer_class": "BertTokenizerFast", "model_max_length": int(1e30)},
    "as_written": {"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": False},
    "as_written_with_specials": {"tokenizer_class": "PreTrainedTokenizerFast", "cls_token": "[CLS]", "mask_token": "mask",
                                 "additional_special_tokens": ["[NEW]", "The"]},
    "as_written_with_decoder": {"tokenizer_class": "PreTrainedTokenizerFast",
                                "added_tokens_decoder": decoder((40, "[NEW]", False, {}), (30, "<img>", True, {}))},
    "special_objects": {"mask_token": added("[MASK]", lstrip=True), "unk_token": "[UNK]"},
    "other_cls": {"cls_token": "[MASK]", "sep_token": "x", "do_lower_case": False},
    "new_cls": {"cls_token": "<s>", "sep_token": "</s>"},
    "extra_list": {"additional_special_tokens": ["[NEW]", "<img>"]},
    "extra_objects": {"extra_special_tokens": [added("[NEW]", lstrip=True, rstrip=True), "the"]},
    "own_name": {"image_token": "<img>", "bos_token": "<s>", "eos_token": "</s>"},
    "decoder": {"added_tokens_decoder": BERT_DECODER, "do_lower_case": True},
    "decoder_new": {"added_tokens_decoder": {**BERT_DECODER,
                                             **decoder((90, "[NEW]", False, {"normalized": True}), (50, "<img>", True, {}))}},
    "decoder_flags": {"added_tokens_decoder": {**BERT_DECODER, **decoder((5, "the", False, {"single_word": True}))}},
    "null_specials": {"bos_token": None, "additional_special_tokens": None, "model_max_length": None},
}


def write_directory(directory, config, vocab=None, tokenizer=None):
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(CONFIG_JSON))
    if vocab is not None:
        (directory / "vocab.txt").write_bytes(vocab)
    if tokenizer is not None:
        tokenizer.save(str(directory / "tokenizer.json"))
    if config is not None:
        (directory / "tokenizer_config.json").write_text(json.dumps(config))
    return directory


def ask_transformers(directories, cases=tuple(CASES)):
    request = json.dumps({"directories": [str(path) for path in directories], "cases": list(cases)})
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    result = subprocess.run([PYTHON, Path(__file__).with_name("auto_tokenizer.py")], input=request, text=True,
                            capture_output=True, check=True, env=environment, timeout=600)
    return json.loads(result.stdout)


def ask_linnet(directory):
    """Our answers, or the message with which the tokenizer does not open."""
    kind, name = ("json", "tokenizer.json") if (directory / "tokenizer.json").exists() else ("vocab", "vocab.txt")
    config = directory / "tokenizer_config.json"
    arguments = [kind, directory / name, *([config] if config.exists() else [])]
    opened = oracle.run([], *arguments)
    if opened.returncode == 1:
        return opened.stderr.decode()
    return [answer and list(answer[:2]) for answer in oracle.encode([oracle.record(*case) for case in CASES], *arguments)]


def assert_same(directories):
    for directory, theirs in zip(directories, ask_transformers(directories), strict=True):
        ours = ask_linnet(directory)
        assert "encoded" in theirs, (directory.name, theirs, ours)
        assert not isinstance(ours, str), (directory.name, ours)
        for case, own, (ids, types) in zip(CASES, ours, theirs["encoded"], strict=True):
            assert own[0] == ids, (directory.name, case, own, ids)
            assert types is None or own[1] == types, (directory.name, case)


def vocab_bytes(tokens):
    return "".join(token + "\n" for token in tokens).encode()


def cased_tokenizer(**normalizer):
    tokenizer = Tokenizer(models.WordPiece({token: number for number, token in enumerate(VOCAB)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, **normalizer)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP] [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.add_tokens([AddedToken("[NEW]", lstrip=True)])
    return tokenizer


def test_vocab_txt_is_read_as_transformers_reads_it_with_every_config(tmp_path):
    configs = {name: config for name, config in CONFIGS.items() if not name.startswith("as_written")}
    assert_same([write_directory(tmp_path / name, config, vocab=vocab_bytes(VOCAB)) for name, config in configs.items()])


def test_tokenizer_json_is_read_as_transformers_reads_it_with_every_config(tmp_path):
    assert_same([write_directory(tmp_path / name, config, tokenizer=cased_tokenizer()) for name, config in CONFIGS.items()])


def test_odd_vocab_files_are_read_as_transformers_reads_them(tmp_path):
    files = {
        "crlf": vocab_bytes(VOCAB).replace(b"\n", b"\r\n"),
        "no_newline_at_the_end": vocab_bytes(VOCAB).removesuffix(b"\n"),
        "empty_lines": vocab_bytes([*VOCAB[:6], "", "", *VOCAB[6:], ""]),
        "token_twice": vocab_bytes([*VOCAB, "the", "x"]),
        "spaces_at_the_end": vocab_bytes([token + "\u3000 \t" for token in VOCAB]),
        "space_at_the_start": vocab_bytes([" the", *VOCAB]),
        "byte_order_mark": b"\xef\xbb\xbf" + vocab_bytes(VOCAB),
        "no_mask": vocab_bytes([token for token in VOCAB if token != "[MASK]"]),
        "twice_and_no_mask": vocab_bytes([*(token for token in VOCAB if token != "[MASK]"), "the"]),
        "lone_carriage_return": vocab_bytes([*VOCAB[:6], "a\rb", *VOCAB[6:]]),
    }
    assert_same([write_directory(tmp_path / name, {"do_lower_case": False}, vocab=data) for name, data in files.items()])
