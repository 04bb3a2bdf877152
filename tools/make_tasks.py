"""Writes the golden files of tests/golden/tasks: what transformers' pipelines of token classification, fill-mask and
zero-shot classification answer, for linnet to be held against.

    python tools/make_tasks.py [--logits] [NAME ...]

A tiny random model of each kind of tokenizer and head; every answer is computed in float32 from a fixed seed. Of some models
logits.jsonl has the logits too, as `linnet verify` reads them (docs/format.md); --logits writes just these, of the models there
are.
"""

import argparse
import functools
import json
import shutil
import warnings
import zlib

import make_families
import torch
import transformers
from make_golden import (
    GOLDEN, SEED, bert_config, distilbert_config, most_tokens, randomise, write_json, write_rows, write_tokenizer, write_weights,
)
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.core_model_loading import revert_weight_conversion

TASKS = GOLDEN / "tasks"
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
NER_LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "MISC", "B-A-B"]
NLI_LABELS = ["contradiction", "neutral", "entailment"]

TEXTS = [
    "",
    " ",
    "good",
    "The staff at the new train station were kind, but the food was awful.",
    "unbreakable happiness; slowly, slower -- slowest!",
    "Caf\u00e9 na\u00efve \u00dcbung \u00dfo e\u0301 a\u0308\u0323b c\u0327edilla",
    "\u6211\u7231\u4f60 film \U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 (\u30cf\u3099\u30d1) \ud55c\uad6d\uc5b4",
    "  leading,\ttabs\nand   runs \u00a0of\u3000space  ",
    "q7x-9z (42%) #1 a/b \"quoted\" it's don't ``ticks''",
    "[CLS] typed [SEP] in [MASK] <s> and </s>",
    "\ufb01ne \u2460\u2161 \uff26\uff35\uff2c\uff2c \u00bd \u0130stanbul \u01c6",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "never " * 200 + "good",
    "Zoe took the early train to Zagreb and kept the book; every day she would write, read, and walk. " * 3,
]


def train_byte_level(**options):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=SPECIALS, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(TEXTS * 2, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    return tokenizer, "RobertaTokenizer"


def train_unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=260, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(TEXTS[3:5] + TEXTS[13:], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    return tokenizer, "XLMRobertaTokenizer"


def train_pieces(name, specials, unknown):
    """The special tokens at the ids where the class has them."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    trainer = trainers.UnigramTrainer(vocab_size=260, special_tokens=specials, unk_token=unknown, show_progress=False)
    tokenizer.train_from_iterator(TEXTS[3:5] + TEXTS[13:], trainer)
    return tokenizer, name


def train_deberta():
    return train_pieces("DebertaV2Tokenizer", ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"], "[UNK]")


def train_albert():
    return train_pieces("AlbertTokenizer", ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"], "<unk>")


def train_modernbert():
    tokenizer, _ = train_byte_level()
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return tokenizer, "PreTrainedTokenizerFast"


def write_trained(directory, train):
    tokenizer, name = train()
    tokenizer.save(str(directory / "tokenizer.json"))
    config = {"tokenizer_class": name, "model_max_length": 64}
    if name not in ("DebertaV2Tokenizer", "AlbertTokenizer"):
        config["mask_token"] = {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "normalized": False,
                                "rstrip": False, "single_word": False}
    if name == "PreTrainedTokenizerFast":  # a class without tokens of its own
        config["pad_token"] = "<pad>"
    write_json(directory / "tokenizer_config.json", config)
    return tokenizer.get_vocab_size()


def limited(write, limit):
    """A writer of the same tokenizer, which takes no more than `limit` tokens."""
    def written(directory):
        size = write(directory)
        file = directory / "tokenizer_config.json"
        write_json(file, {**json.loads(file.read_text(encoding="utf-8")), "model_max_length": limit})
        return size
    return written


def roberta_config(kind, **changes):
    values = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, type_vocab_size=1,
                  max_position_embeddings=66, pad_token_id=1, bos_token_id=0, eos_token_id=2)
    return kind(**{**values, **changes})


def labels(names):
    return {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}


def bert_like(kind, **changes):
    values = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
                  max_position_embeddings=50, **labels(NER_LABELS))
    return kind(**{**values, **changes})


def deberta(**changes):
    values = dict(relative_attention=True, position_buckets=8, norm_rel_ebd="layer_norm", share_att_key=True,
                  pos_att_type="p2c|c2p", position_biased_input=False, type_vocab_size=0, max_position_embeddings=80)
    return bert_like(transformers.DebertaV2Config, **{**values, **changes})


def modernbert(**changes):
    values = dict(pad_token_id=1, bos_token_id=0, eos_token_id=2, cls_token_id=0, sep_token_id=2, local_attention=8,
                  max_position_embeddings=80, num_hidden_layers=4)
    return bert_like(transformers.ModernBertConfig, **{**values, **changes})


# Rotary positions do not bound a text in transformers: here all of the requests fit.
FAR = 256
NLI = labels(NLI_LABELS)
bert_words = functools.partial(write_tokenizer, options={"limit": 48})
far_words = functools.partial(write_tokenizer, options={"limit": FAR})
albert_pieces = limited(functools.partial(write_trained, train=train_albert), 48)
deberta_pieces = functools.partial(write_trained, train=train_deberta)
modernbert_pieces = functools.partial(write_trained, train=train_modernbert)
roberta_pieces = functools.partial(write_trained, train=train_byte_level)
xlm_pieces = functools.partial(write_trained, train=train_unigram)
camembert_pieces = limited(make_families.camembert_tokenizer, 64)
mpnet_words = limited(make_families.mpnet_tokenizer, 48)

# name: (task, config, writer of the tokenizer)
MODELS = {
    "bert-ner": ("token-classification", bert_config(**labels(NER_LABELS)), bert_words),
    "bert-cased-ner": ("token-classification", bert_config(**labels(NER_LABELS)),
                       lambda path: write_tokenizer(path, {"limit": 48, "cased": True})),
    "distilbert-ner": ("token-classification", distilbert_config(**labels(NER_LABELS)),
                       lambda path: write_tokenizer(path, {"limit": 48, "vocab_only": True})),
    "roberta-ner": ("token-classification", roberta_config(transformers.RobertaConfig, **labels(NER_LABELS)), roberta_pieces),
    "xlm-roberta-ner": ("token-classification", roberta_config(transformers.XLMRobertaConfig, **labels(NER_LABELS)), xlm_pieces),
    "camembert-ner": ("token-classification", roberta_config(transformers.CamembertConfig, **labels(NER_LABELS)),
                      camembert_pieces),
    "electra-ner": ("token-classification", bert_like(transformers.ElectraConfig, embedding_size=16), bert_words),
    "albert-ner": ("token-classification", bert_like(transformers.AlbertConfig, embedding_size=16), bert_words),
    "mpnet-ner": ("token-classification", bert_like(transformers.MPNetConfig, pad_token_id=1),
                  lambda path: write_tokenizer(path, {"limit": 40})),
    "deberta-v2-ner": ("token-classification", deberta(), deberta_pieces),
    "modernbert-ner": ("token-classification", modernbert(), modernbert_pieces),
    "nomic_bert-ner": ("token-classification", bert_like(transformers.NomicBertConfig), bert_words),
    "bert-mlm": ("fill-mask", bert_config(), bert_words),
    "distilbert-mlm": ("fill-mask", distilbert_config(activation="relu"), bert_words),
    "roberta-mlm": ("fill-mask", roberta_config(transformers.RobertaConfig), roberta_pieces),
    "xlm-roberta-mlm": ("fill-mask", roberta_config(transformers.XLMRobertaConfig), xlm_pieces),
    "camembert-mlm": ("fill-mask", roberta_config(transformers.CamembertConfig), camembert_pieces),
    "electra-mlm": ("fill-mask", bert_like(transformers.ElectraConfig, embedding_size=40), bert_words),
    "albert-mlm": ("fill-mask", bert_like(transformers.AlbertConfig, embedding_size=20), albert_pieces),
    "mpnet-mlm": ("fill-mask", bert_like(transformers.MPNetConfig), mpnet_words),
    "deberta-v2-mlm": ("fill-mask", deberta(position_biased_input=True, hidden_act="relu"), deberta_pieces),
    # The head of the published files, whose config.json says so only where someone added it.
    "deberta-v2-newer-mlm": ("fill-mask", deberta(position_biased_input=True, legacy=False), deberta_pieces),
    "modernbert-mlm": ("fill-mask", modernbert(max_position_embeddings=FAR, classifier_activation="silu"),
                       limited(modernbert_pieces, FAR)),
    # No bias of the output, which is a matrix of its own.
    "modernbert-untied-mlm": ("fill-mask", modernbert(max_position_embeddings=FAR, decoder_bias=False, classifier_bias=True,
                                                      norm_bias=True, tie_word_embeddings=False),
                              limited(modernbert_pieces, FAR)),
    "nomic_bert-mlm": ("fill-mask", bert_like(transformers.NomicBertConfig, max_position_embeddings=FAR), far_words),
    "bert-nli": ("zero-shot-classification", bert_config(**NLI), bert_words),
    "distilbert-nli": ("zero-shot-classification", distilbert_config(**NLI), bert_words),
    "roberta-nli": ("zero-shot-classification",
                    roberta_config(transformers.RobertaConfig, **labels(NLI_LABELS[::-1])), roberta_pieces),
    "xlm-roberta-nli": ("zero-shot-classification", roberta_config(transformers.XLMRobertaConfig, **NLI), xlm_pieces),
    "camembert-nli": ("zero-shot-classification", roberta_config(transformers.CamembertConfig, **NLI), camembert_pieces),
    "electra-nli": ("zero-shot-classification", bert_like(transformers.ElectraConfig, embedding_size=16, **NLI), bert_words),
    "albert-nli": ("zero-shot-classification", bert_like(transformers.AlbertConfig, embedding_size=16, **NLI), albert_pieces),
    "mpnet-nli": ("zero-shot-classification", bert_like(transformers.MPNetConfig, **NLI), mpnet_words),
    "deberta-v2-nli": ("zero-shot-classification", deberta(**NLI), deberta_pieces),
    "modernbert-nli": ("zero-shot-classification", modernbert(**NLI), modernbert_pieces),
    "nomic_bert-nli": ("zero-shot-classification", bert_like(transformers.NomicBertConfig, **NLI), bert_words),
}
# Of these config.json has only what is unusual: linnet must know what the head's activation usually is.
BARE = {"albert-mlm", "nomic_bert-mlm"}
CLASSES = {
    "token-classification": transformers.AutoModelForTokenClassification,
    "fill-mask": transformers.AutoModelForMaskedLM,
    "zero-shot-classification": transformers.AutoModelForSequenceClassification,
}


def write_model(name, directory):
    task, config, write = MODELS[name]
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    config.vocab_size = write(directory)
    model = CLASSES[task].from_config(config, dtype=torch.float32)
    randomise(model, torch.Generator().manual_seed(SEED + zlib.crc32(name.encode())), 0.6)
    model.tie_weights()
    config.architectures = [type(model).__name__]
    saved = config.to_diff_dict()
    if name in BARE:
        usual = type(config)().to_dict()
        saved = {key: value for key, value in saved.items() if key == "model_type" or usual.get(key, saved) != value}
    write_json(directory / "config.json", dict(sorted(saved.items())))
    state = model.state_dict()
    if config.model_type == "nomic_bert":  # whose files have the names of its first ones
        state = revert_weight_conversion(model, state)
    # A tied output stands in the file once, as the word table.
    tied = ("predictions.decoder.weight", "vocab_projector.weight", "lm_head.decoder.weight", "generator_lm_head.weight",
            "predictions.decoder.bias", "lm_head.decoder.bias")
    tensors = {key: tensor for key, tensor in state.items()
               if not key.endswith(tied) and (key != "decoder.weight" or not config.tie_word_embeddings)}
    write_weights(directory, tensors, {})


def entity_requests(_):
    strategies = ["none", "simple", "first", "average", "max", "AVERAGE"]
    for strategy in strategies:
        for text in TEXTS:
            yield text, {"aggregation_strategy": strategy}
    yield TEXTS[3], {}
    yield TEXTS[3:6], {}
    yield [TEXTS[4]], {"aggregation_strategy": "first"}
    yield TEXTS[3], {"ignore_labels": []}
    yield TEXTS[3], {"ignore_labels": ["O", "B-PER", "MISC"]}
    yield TEXTS[3:6], {"ignore_labels": ["O", "PER"], "aggregation_strategy": "max"}
    yield TEXTS[3], {"stride": None, "is_split_into_words": False}
    yield TEXTS[3:8], {"ignore_labels": [], "aggregation_strategy": "none"}


def mask_requests(mask):
    texts = [
        f"The food was {mask}.",
        f"{mask}",
        f"I {mask} the staff, don't you? {mask} !",
        f"caf\u00e9 \u6211 {mask} \U0001f600 never,{mask}again",
        f"slow{mask} and \"{mask}\" it's",
    ]
    for text in texts:
        yield text, {}
        yield text, {"top_k": 3}
    yield texts[:3], {"top_k": 2}
    yield [texts[0]], {}
    yield texts[0], {"top_k": 40}
    yield texts[0], {"targets": "good"}
    yield texts[0], {"targets": ["good", "bad", "good", "unbreakable", "awful"]}
    yield texts[2], {"targets": ["good", "slowly happiness", "\u6211"], "top_k": 2}
    yield "never " * 200 + mask, {"top_k": 1}
    yield f"{mask} " + "never " * 200, {"tokenizer_kwargs": {"truncation": True}, "top_k": 2}
    yield f"{mask} " + "never " * 20, {"tokenizer_kwargs": {"max_length": 9, "truncation": True}, "top_k": 2}


def candidate_requests(_):
    names = ["food", "travel", "music", "a book that is old"]
    texts = [TEXTS[3], TEXTS[6], TEXTS[12], "Every night the music was loud."]
    for text in texts:
        yield text, {"candidate_labels": names}
        yield text, {"candidate_labels": names, "multi_label": True}
    yield texts[3], {"candidate_labels": "food"}
    yield texts[3], {"candidate_labels": "food, travel ,,\u00a0music\u3000"}
    yield texts, {"candidate_labels": names, "multi_label": True}
    yield [texts[0]], {"candidate_labels": names}
    yield texts[0], {"candidate_labels": names, "hypothesis_template": "It is about {}, {{surely}}."}
    yield texts[0], {"candidate_labels": names, "hypothesis_template": "{0} and {0}"}
    yield texts[3], {"candidate_labels": ["food", "food", "music"]}
    yield texts[3], {"candidate_labels": names[:1], "multi_label": False}


REQUESTS = {"token-classification": entity_requests, "fill-mask": mask_requests,
            "zero-shot-classification": candidate_requests}


def as_json(value):
    """numpy's numbers as Python's."""
    return json.loads(json.dumps(value, default=lambda number: number.item()))


# What each kind of head and of tokenizer is held against by its logits: all of a text's tokens or masks.
WITH_LOGITS = ["bert-ner", "roberta-ner", "deberta-v2-ner", "bert-mlm", "xlm-roberta-mlm", "deberta-v2-newer-mlm", "bert-nli",
               "roberta-nli"]


def logit_texts(task, mask):
    """(text, the second of a pair or None)"""
    if task == "fill-mask":
        return [(inputs, None) for inputs, parameters in mask_requests(mask) if isinstance(inputs, str) and not parameters]
    if task == "zero-shot-classification":
        return [(text, f"This example is {label}.") for text in TEXTS[2:7] + TEXTS[12:] for label in ("food", "travel")] + [
            (TEXTS[3], None)]
    return [(text, None) for text in TEXTS[:7] + TEXTS[12:]]


def logits_row(task, model, tokenizer, text, pair, limit):
    tokens = tokenizer(text, pair, truncation=True, max_length=limit, return_tensors="pt")
    ids = tokens["input_ids"][0]
    with torch.no_grad():
        logits = model(**tokens).logits[0]
        exact = model.double()(**tokens).logits[0]
    model.float()
    if task == "fill-mask":
        logits, exact = logits[ids == tokenizer.mask_token_id], exact[ids == tokenizer.mask_token_id]
    # Fit as a test only where float32's own rounding is far inside the bounds asked of linnet.
    size = exact.abs().amax(-1, keepdim=True) if task == "fill-mask" else exact.abs()
    assert ((logits - exact).abs() <= 0.5 * (1e-5 * size).clamp(min=2e-5)).all(), (text, (logits - exact).abs().max())
    row = {"text": text} if pair is None else {"text": text, "text_pair": pair}
    return {**row, "ids": ids.tolist(), "logits": logits.tolist()}


def write_logits(name):
    task = MODELS[name][0]
    directory = TASKS / name
    model = CLASSES[task].from_pretrained(directory, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    limit = min(tokenizer.model_max_length, most_tokens(model.config))
    rows = [logits_row(task, model, tokenizer, text, pair, limit) for text, pair in logit_texts(task, tokenizer.mask_token)]
    write_rows(directory / "logits.jsonl", rows)


def make(name):
    task = MODELS[name][0]
    directory = TASKS / name
    write_model(name, directory)
    model = CLASSES[task].from_pretrained(directory, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    pipeline = transformers.pipeline(task, model=model, tokenizer=tokenizer, device="cpu", dtype=torch.float32)
    rows = []
    for inputs, parameters in REQUESTS[task](tokenizer.mask_token):
        try:
            output = as_json(pipeline(inputs, **json.loads(json.dumps(parameters))))
        except Exception as error:  # noqa: BLE001: whatever the pipeline does not answer, linnet refuses too
            output = {"refused": str(error)[:80]}
        rows.append({"inputs": inputs, "parameters": parameters, "output": output})
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (directory / "golden.jsonl").write_text(text, encoding="utf-8")
    refused = [row["output"]["refused"] for row in rows if isinstance(row["output"], dict) and "refused" in row["output"]]
    print(f"{name}: {len(rows)} requests, {len(text)} bytes, refused: {refused}")
    if name in WITH_LOGITS:
        write_logits(name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *MODELS])
    parser.add_argument("--logits", action="store_true", help="write logits.jsonl alone")
    arguments = parser.parse_args()
    names = arguments.names or list(WITH_LOGITS if arguments.logits else MODELS)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for name in names:
        (write_logits if arguments.logits else make)(name)


if __name__ == "__main__":
    main()
