"""Directories of each encoder family read as transformers' AutoTokenizer reads them: class by class, from
tokenizer_config.json and config.json.

Needs a Python that has transformers: LINNET_TRANSFORMERS_PYTHON, or the one in ~/.cache/linnet/torch-venv.
"""

import itertools
import json

import kinds
import oracle
import pytest
import texts
from test_transformers import PYTHON, added, decoder, ask_transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

pytestmark = [pytest.mark.skipif(not PYTHON.exists(), reason=f"needs a Python with transformers at {PYTHON}"),
              pytest.mark.heavy, pytest.mark.transformers]

TEXTS = ["The film, they said: don't!  CAF\u00c9 caf\u00e9 cafe\u0301", "", " ", "unbelievable  naive\tco-op ``quoted'' 12345",
         "<s> </s> <mask> x<mask>y [MASK] [CLS]x[SEP] <unk> [UNK] <pad>", "[NEW] [new] the[NEW]the <img>", "\u4e2d\u56fd \u2581 \U0001f600 \ufb01",
         "<s>NOTUSED a </s>NOTUSED"]
CASES = [[text, None] for text in TEXTS] + [["the", "film"], ["[NEW]", "The  caf\u00e9 <mask>"]]

BYTE_LEVEL_CONFIGS = {
    "none": None,
    "empty": {},
    "prefix_space": {"add_prefix_space": True, "model_max_length": 512},
    "mask_object": {"mask_token": added("<mask>", lstrip=True)},
    "other_ends": {"cls_token": "<mask>", "sep_token": "<pad>"},
    "new_tokens": {"additional_special_tokens": ["[NEW]", "<img>"], "bos_token": "[BOS]"},
    "decoder": {"added_tokens_decoder": decoder(*((number, content, True, {}) for number, content in enumerate(kinds.SPECIALS)),
                                                (2100, "[NEW]", False, {"normalized": True}))},
}
UNIGRAM_CONFIGS = {
    **{name: BYTE_LEVEL_CONFIGS[name] for name in ("none", "empty", "mask_object", "new_tokens")},
    "no_prefix_space": {"add_prefix_space": False},
    "lower": {"do_lower_case": True},
    "keep_case": {"do_lower_case": False, "keep_accents": True},
    "split_by_punct": {"split_by_punct": True},
    "no_extra": {"additional_special_tokens": []},
}
WORDPIECE_CONFIGS = {
    "none": None,
    "cased": {"do_lower_case": False},
    "no_chinese": {"tokenize_chinese_chars": False, "strip_accents": False},
    "mask_object": {"mask_token": added("<mask>", lstrip=True)},
}
FILE_CONFIGS = {
    "none": None,
    "fast": {"tokenizer_class": "PreTrainedTokenizerFast", "cls_token": "[CLS]", "mask_token": added("[MASK]", lstrip=True)},
    "wrong_class": {"tokenizer_class": "RobertaTokenizer"},
}


def wordpiece(specials):
    words = ["the", "film", "un", "##believ", "##able", "na", "##ive", "caf", "##e", "cafe", ",", "!", "'", "don", "t", "x", "y", "[", "]",
             "<", ">", "mask", "new", "quoted", "`", "\u4e2d", "\u56fd", "The", "NEW", "CAF"]
    tokenizer = Tokenizer(models.WordPiece({token: number for number, token in enumerate([*specials, *words])}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.RobertaProcessing((specials[2], 2), (specials[0], 0))
    return tokenizer


def camembert(corpus):
    tokenizer = kinds.xlm_roberta(corpus)
    state = json.loads(tokenizer.to_str())
    pieces = [["<s>NOTUSED", 0.0], ["<pad>", 0.0], ["</s>NOTUSED", 0.0], ["<unk>", 0.0], ["<unk>NOTUSED", -100.0], *state["model"]["vocab"][4:],
              ["<s>", 0.0], ["</s>", 0.0]]
    state["model"].update(vocab=pieces, unk_id=3)
    state.update(added_tokens=[], post_processor=None)
    return Tokenizer.from_str(json.dumps(state))


def deberta_v2(corpus):
    tokenizer = kinds.deberta_v2(corpus)
    state = json.loads(tokenizer.to_str())
    first = [["[PAD]", 0.0], ["[CLS]", 0.0], ["[SEP]", 0.0], ["[UNK]", 0.0]]
    pieces = [*first, *(piece for piece in state["model"]["vocab"] if [piece[0], 0.0] not in first)]
    state["model"].update(vocab=pieces, unk_id=3)
    state.update(added_tokens=[], post_processor=None)
    return Tokenizer.from_str(json.dumps(state))


# family: (model type, class, tokenizer, configs)
FAMILIES = {
    "roberta": ("roberta", "RobertaTokenizer", kinds.roberta, BYTE_LEVEL_CONFIGS),
    "deberta": ("deberta", "DebertaTokenizer", kinds.modernbert, {**WORDPIECE_CONFIGS, "prefix": {"add_prefix_space": True}}),
    "xlm_roberta": ("xlm-roberta", "XLMRobertaTokenizer", kinds.xlm_roberta, UNIGRAM_CONFIGS),
    "camembert": ("camembert", "CamembertTokenizer", camembert, UNIGRAM_CONFIGS),
    "albert": ("albert", "AlbertTokenizer", kinds.albert, UNIGRAM_CONFIGS),
    "deberta_v2": ("deberta-v2", "DebertaV2Tokenizer", deberta_v2, UNIGRAM_CONFIGS),
    "modernbert": ("modernbert", "PreTrainedTokenizerFast", kinds.modernbert, FILE_CONFIGS),
    "mpnet": ("mpnet", "MPNetTokenizer", lambda corpus: wordpiece(["<s>", "<pad>", "</s>", "<unk>", "[UNK]", "<mask>"]), WORDPIECE_CONFIGS),
    "nomic": ("nomic_bert", "BertTokenizer", lambda corpus: wordpiece(kinds.BERT_SPECIALS), WORDPIECE_CONFIGS),
    "electra": ("electra", "ElectraTokenizer", lambda corpus: wordpiece(kinds.BERT_SPECIALS), WORDPIECE_CONFIGS),
}


def write_directory(directory, model_type, config, tokenizer, files=("tokenizer.json",)):
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps({"model_type": model_type}))
    if config is not None:
        (directory / "tokenizer_config.json").write_text(json.dumps(config))
    state = json.loads(tokenizer.to_str())
    if "tokenizer.json" in files:
        tokenizer.save(str(directory / "tokenizer.json"))
    if "vocab.json" in files:
        (directory / "vocab.json").write_text(json.dumps(state["model"]["vocab"]), encoding="utf-8")
        lines = ["#version: 0.2", *(" ".join(pair) for pair in state["model"]["merges"])]
        (directory / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return directory


def assert_same(directories):
    for directory, theirs in zip(directories, ask_transformers(directories, CASES), strict=True):
        assert "encoded" in theirs, (directory.name, theirs)
        ours = oracle.encode([oracle.record(*case) for case in CASES], "directory", directory)
        for case, own, (ids, types) in zip(CASES, ours, theirs["encoded"], strict=True):
            assert own[0] == ids, (directory.name, case, own[0], ids)
            assert types is None or own[1] == types, (directory.name, case, own[1], types)
        for case, own, offsets, decoded in zip(CASES, ours, theirs["offsets"], theirs["decoded"], strict=True):
            assert own.offsets == [tuple(place) for place in offsets], (directory.name, case, own.offsets, offsets)
            assert list(own.decoded) == decoded, (directory.name, case, own.decoded, decoded)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_read_as_transformers_reads_it_with_every_config(family, tmp_path):
    model_type, class_name, make, configs = FAMILIES[family]
    tokenizer = make(texts.lines("corpus", 3000))
    named = {f"{name}_named": {"tokenizer_class": class_name, **(config or {})} for name, config in configs.items()}
    assert_same([write_directory(tmp_path / name, model_type, config, tokenizer)
                 for name, config in itertools.chain(configs.items(), named.items())])


@pytest.mark.parametrize("family", ["roberta", "deberta"])
def test_vocab_json_and_merges_txt_are_read_as_transformers_reads_them(family, tmp_path):
    model_type, class_name, make, configs = FAMILIES[family]
    tokenizer = make(texts.lines("corpus", 3000))
    assert_same([write_directory(tmp_path / name, model_type, config, tokenizer, files=("vocab.json",))
                 for name, config in configs.items()])
