"""Writes the golden files of tests/golden: what `transformers` answers, for linnet to be held against.

    python tools/make_golden.py [texts] [pipeline] [models]

Every answer is computed by `transformers` in float32, one text at a time, from a fixed seed: the same versions write
the same bytes. tests/golden/versions.json records which versions those were. The tiny models are made here too.
"""

import argparse
import json
import platform
import random
import shutil
import string
import zlib
from pathlib import Path

import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers.core_model_loading import revert_weight_conversion

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"
EMBEDDED = GOLDEN.parent.parent / "models" / "sst2-minilm"
SEED = 20261124
SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
POSITIONS = 48  # of the tiny models: small files, and a text over the limit stays short


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    print(f"{path.relative_to(GOLDEN)}: {len(rows)} rows")


def read_rows(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


# Their positions count on from padding's (RobertaEmbeddings), so that fewer tokens fit.
POSITIONS_AFTER_PADDING = {"roberta", "xlm-roberta", "camembert", "mpnet"}


def most_tokens(config):
    padding = 1 if config.model_type == "mpnet" else config.pad_token_id  # as transformers' MPNetEmbeddings has it
    taken = padding + 1 if config.model_type in POSITIONS_AFTER_PADDING else 0
    return config.max_position_embeddings - taken


class Oracle:
    """One model as `transformers` runs it: ids, logits and the pipeline's own answers."""

    def __init__(self, directory):
        self.model, info = transformers.AutoModelForSequenceClassification.from_pretrained(
            directory, dtype=torch.float32, output_loading_info=True
        )
        assert not info["missing_keys"], (directory, info["missing_keys"])
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
        self.pipeline = transformers.pipeline(
            "text-classification", model=self.model, tokenizer=self.tokenizer, device="cpu", dtype=torch.float32
        )
        self.limit = min(self.tokenizer.model_max_length, most_tokens(self.model.config))

    def encode(self, text, pair, **options):
        return self.tokenizer(text, pair, return_tensors="pt", **options)

    def logits(self, encoding):
        with torch.no_grad():
            return self.model(**encoding).logits[0]

    def row(self, text, pair=None):
        encoding = self.encode(text, pair, truncation=True, max_length=self.limit)
        inputs = {"text": text} if pair is None else {"text": text, "text_pair": pair}
        answer = self.pipeline(inputs, truncation=True, max_length=self.limit)
        full_length = self.encode(text, pair)["input_ids"].shape[1]
        logits = self.logits(encoding)
        # Not every tokenizer class hands them on: the model then takes 0 for all.
        type_ids = encoding.get("token_type_ids", torch.zeros_like(encoding["input_ids"]))
        row = {
            **inputs,
            "ids": encoding["input_ids"][0].tolist(),
            "type_ids": type_ids[0].tolist(),
            "logits": logits.tolist(),
            "label": answer["label"],
            "score": answer["score"],
            "truncated": full_length > self.limit,
        }
        self.check_that_float32_decides(row, encoding)
        return row

    def check_that_float32_decides(self, row, encoding):
        """A row is fit as a test only where float32's own rounding is far inside the bounds asked of linnet, and no
        two labels are so close that rounding could swap them."""
        exact = self.logits_in_double(encoding)
        for got, want in zip(row["logits"], exact):
            assert abs(got - want) <= 0.25 * max(2e-5, 1e-5 * abs(want)), (row["text"], got, want)
        ordered = sorted(row["logits"], reverse=True)
        assert len(ordered) == 1 or ordered[0] - ordered[1] > 1e-3, (row["text"], ordered)

    def logits_in_double(self, encoding):
        self.model.double()
        try:
            return self.logits(encoding).tolist()
        finally:
            self.model.float()


# --- the embedded model's rows ---


def generated_texts(rng):
    """Sentences of every length from a few words to several hundred, so that all row counts and sequence lengths
    of the kernels are met."""
    subjects = "the film|the soup|my new laptop|this hotel|the service|her second novel|our guide|the app".split("|")
    verbs = "was|is|seemed|felt|turned out to be|has always been|could have been|will never be".split("|")
    degrees = "very|rather|not at all|surprisingly|quite|only just|wonderfully|painfully|a little too".split("|")
    words = "good|bad|slow|bright|boring|clever|tasty|broken|honest|cheap|noisy|lovely|forgettable|fresh".split("|")
    joins = [", and ", ", but ", "; ", ". Still, ", " because ", " while ", "! "]

    def clause():
        return " ".join(rng.choice(part) for part in (subjects, verbs, degrees, words))

    texts = []
    for clauses in [1] * 12 + [2] * 8 + [3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 32, 40, 48, 60, 80]:
        text = clause()
        for _ in range(clauses - 1):
            text += rng.choice(joins) + clause()
        texts.append(text + ".")
    return texts


def make_texts():
    oracle = Oracle(EMBEDDED)
    rows = [oracle.row(row["text"], row.get("text_pair")) for row in read_rows(GOLDEN / "texts.jsonl")]
    rows += [oracle.row(text) for text in generated_texts(random.Random(SEED))]
    write_rows(GOLDEN / "sst2-minilm.jsonl", rows)


# --- whole requests ---

SHORT = "I love this lamp."
SOUR = "The chair wobbles and the seller does not care."
PLAIN = "It is a table."
MIXED = {"text": "The bread is excellent.", "text_pair": "The butter is rancid."}
PAIR = {"text": "Is the water warm?", "text_pair": "It is colder than the welcome we got."}
LONG = "We waited and waited and waited for a table that never came. " * 60
LONG_PAIR = {"text": LONG, "text_pair": "What a splendid evening it was in the end! " * 70}


def requests():
    """(inputs, parameters) of requests that the pipeline answers."""
    shapes = [SHORT, "", [SHORT], [SHORT, SOUR, PLAIN], ["", " ", SHORT], PAIR, {"text": SOUR}, [PAIR], [PAIR, MIXED]]
    for inputs in shapes:
        yield inputs, {}
        for top_k in (1, 2, 5, None):
            yield inputs, {"top_k": top_k}
    for function in ("softmax", "sigmoid", "none", "SIGMOID", "Softmax", "NONE"):
        yield SOUR, {"function_to_apply": function}
        yield [SHORT, PLAIN], {"function_to_apply": function, "top_k": None}
        yield PAIR, {"function_to_apply": function, "top_k": 1}
    for truncation in (True, "longest_first", "only_first"):
        yield LONG, {"truncation": truncation}
        yield [SHORT, LONG], {"truncation": truncation, "top_k": 2}
    for truncation in (True, "longest_first"):
        yield LONG_PAIR, {"truncation": truncation}
        yield [PAIR, LONG_PAIR], {"truncation": truncation, "max_length": 330, "top_k": None}
    yield {"text": SHORT, "text_pair": LONG}, {"truncation": "only_second"}
    yield {"text": LONG, "text_pair": SHORT}, {"truncation": "only_first", "max_length": 200}
    yield {"text": SHORT, "text_pair": ""}, {"top_k": None}
    yield {"text": "", "text_pair": SHORT}, {"top_k": None}
    for truncation in (False, "do_not_truncate"):
        yield SOUR, {"truncation": truncation}
        yield SOUR, {"truncation": truncation, "max_length": 4}
    for max_length in (2, 3, 4, 7, 100, 512):
        yield SOUR, {"max_length": max_length}
        yield LONG, {"max_length": max_length, "top_k": None}
    yield PAIR, {"max_length": 8}
    yield [SHORT, LONG, SOUR], {"max_length": 16, "function_to_apply": "sigmoid"}
    everything = {"truncation": True, "max_length": 64, "top_k": 2, "function_to_apply": "none"}
    yield [LONG, LONG_PAIR["text_pair"]], everything
    yield "Ein sch\u00f6ner Film \U0001f600 \u6211\u7231\u4f60", {"top_k": 2}


def answer(pipeline, inputs, parameters):
    try:
        return pipeline(inputs, **parameters)
    except Exception:
        print("the pipeline refuses", json.dumps(inputs)[:80], parameters)
        raise


def make_pipeline():
    pipeline = Oracle(EMBEDDED).pipeline
    rows = [
        {"inputs": inputs, "parameters": parameters, "output": answer(pipeline, inputs, parameters)}
        for inputs, parameters in requests()
    ]
    write_rows(GOLDEN / "pipeline.jsonl", rows)


# --- tiny models ---

WORDS = """the a an and but or not no is was are it this that i you we they he she my our of in on to with for very too
so good bad great awful fine film food room staff price slow fast warm cold love hate like enjoy never always again
every day night place book music time work break broke open close clean dirty happy sad cheap dear table door water
bread wine tea street house city train early late long short new old light dark quiet loud kind rude soft hard give
take make keep find lose come go stay leave wait walk read write talk eat drink sleep""".split()
PIECES = "##s ##ed ##ing ##ly ##er ##est ##ness ##ful ##less ##able ##un ##re ##ion ##al ##y".split()
TEXTS = [
    "The food was good and the staff were great.",
    "the room is cold, the price is awful!",
    "",
    " ",
    "I love it",
    "I hate it",
    "not bad, not good: fine",
    "THE FILM THAT NEVER CLOSED",
    "unbreakable happiness",
    "caf\u00e9 na\u00efve \u00dcbung \u00dfo",
    "\u6211\u7231\u4f60 film \U0001f600",
    "[CLS] typed [SEP] in [MASK]",
    "q7x-9z (42%) #1 a/b \"quoted\" it's",
    "slowly slower slowest slowness",
    "This is a place that we love, and that they hate; every day, every night, again and again, it is always open.",
    "never " * 45 + "good",
    "never " * 46 + "good",
    "never " * 200 + "good",
]
PAIRS = [
    ("The room is clean.", "The room is dirty."),
    ("", "I like the music."),
    ("I like the music.", ""),
    ("good " * 30, "bad " * 30),
    ("good " * 60, "bad " * 9),
]


def vocabulary(cased):
    letters = string.ascii_lowercase + string.digits
    if cased:
        letters += string.ascii_uppercase + "\u00e9\u00fc\u00dc\u00ef\u00df"
    marks = [mark for mark in string.punctuation if mark not in "~^`"]
    words = WORDS + ["The", "This", "I", "THE"] if cased else WORDS
    tokens = SPECIAL_TOKENS + marks + list(letters) + ["##" + letter for letter in letters]
    tokens += ["\u6211", "\u4f60"] + words + PIECES
    return list(dict.fromkeys(tokens))


def write_tokenizer_json(directory, tokens, cased, own_limits):
    ids = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=not cased)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    if own_limits:
        tokenizer.enable_truncation(8)
        tokenizer.enable_padding(length=12)
    tokenizer.save(str(directory / "tokenizer.json"))


def write_tokenizer(directory, options):
    if "write_tokenizer" in options:
        return options["write_tokenizer"](directory)
    cased = options.get("cased", False)
    tokens = vocabulary(cased)
    if options.get("vocab_only"):
        (directory / "vocab.txt").write_text("".join(token + "\n" for token in tokens), encoding="utf-8")
        # As the old DistilBERT repositories have it: no class, no names of special tokens.
        config = {"do_lower_case": True, "model_max_length": POSITIONS}
    else:
        write_tokenizer_json(directory, tokens, cased, options.get("own_limits", False))
        config = {"do_lower_case": options.get("do_lower_case", not cased)}
        config["tokenizer_class"] = options.get("tokenizer_class", "BertTokenizer")
        if "model_input_names" in options:
            config["model_input_names"] = options["model_input_names"]
        config["model_max_length"] = options.get("limit", int(1e30))  # 1e30: what transformers writes for "none"
    write_json(directory / "tokenizer_config.json", config)
    return len(tokens)


def randomise(model, generator, output_scale):
    """Weights far larger than a fresh model's, so that every tensor moves the logits and an error shows."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name.lower():
                spread = torch.randn(weight.shape, generator=generator) * 0.2
                weight.copy_(1 + spread if name.endswith("weight") else spread)
            elif "_embeddings." in name:
                weight.copy_(torch.randn(weight.shape, generator=generator))
            else:
                is_output = name.startswith("classifier") and not name.startswith("classifier.dense")
                scale = output_scale if is_output else 0.25
                weight.copy_(torch.randn(weight.shape, generator=generator) * scale)


def bert_config(**changes):
    values = dict(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, type_vocab_size=2,
        max_position_embeddings=POSITIONS, hidden_act="gelu",
    )  # fmt: skip
    return transformers.BertConfig(**{**values, **changes})


def distilbert_config(**changes):
    values = dict(dim=32, n_layers=2, n_heads=4, hidden_dim=48, max_position_embeddings=POSITIONS)
    return transformers.DistilBertConfig(**{**values, **changes})


UNICODE_LABELS = {0: "tr\u00e8s bon", 1: "\u60aa\u3044", 2: "\U0001f610 \"so-so\"\\\n"}

SMALLER = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24)

# name: (config, options). Options: cased, vocab_only, own_limits, limit, do_lower_case, tokenizer_class,
# model_input_names (tokenizer); dtype, shards, old_names, no_labels (how the directory is written). Of other families
# (tools/make_families.py): write_tokenizer, a function that writes its files; texts beside TEXTS; bare_config, without
# the keys of config.json whose values are the defaults of the family; output_scale, of the classifier's last weights;
# first_names, as the files that transformers converts have them, which is how it writes them.
TINY = {
    "bert-gelu": (bert_config(id2label={0: "NEGATIVE", 1: "POSITIVE"}), {}),
    "bert-gelu-new": (bert_config(hidden_act="gelu_new"), {}),
    "bert-gelu-tanh": (bert_config(hidden_act="gelu_pytorch_tanh"), {}),
    "bert-relu": (bert_config(hidden_act="relu"), {}),
    "bert-silu": (bert_config(hidden_act="silu", num_labels=3), {}),
    "bert-odd-sizes": (
        bert_config(hidden_size=36, num_attention_heads=3, intermediate_size=50, num_labels=3, num_hidden_layers=3),
        {},
    ),
    "bert-one-head": (
        bert_config(hidden_size=24, num_attention_heads=1, intermediate_size=97, num_hidden_layers=1),
        {},
    ),
    "bert-regression": (bert_config(num_labels=1, problem_type="regression"), {}),
    "bert-regression-two": (bert_config(num_labels=2, problem_type="regression"), {}),
    "bert-multi-label": (bert_config(num_labels=5, problem_type="multi_label_classification"), {}),
    "bert-one-label": (bert_config(num_labels=1), {}),
    "bert-fp16": (bert_config(), {"dtype": torch.float16}),
    "bert-bf16": (bert_config(), {"dtype": torch.bfloat16}),
    "bert-sharded": (bert_config(), {"shards": 3}),
    "bert-old-names": (bert_config(), {"old_names": True}),
    "bert-cased": (bert_config(), {"cased": True}),
    "bert-no-labels": (bert_config(num_labels=3), {"no_labels": True}),
    "bert-unicode-labels": (bert_config(id2label=UNICODE_LABELS), {}),
    "bert-eps": (bert_config(layer_norm_eps=0.05), {}),
    "bert-one-type": (bert_config(type_vocab_size=1), {}),
    "bert-short-limit": (bert_config(), {"limit": 16}),
    "bert-own-truncation": (bert_config(), {"own_limits": True}),
    # A cased tokenizer.json beside a tokenizer_config.json that lower-cases: transformers' class decides which counts.
    "bert-config-lowers": (bert_config(**SMALLER), {"cased": True, "do_lower_case": True}),
    "bert-json-keeps-case": (
        bert_config(**SMALLER),
        {"cased": True, "do_lower_case": True, "tokenizer_class": "PreTrainedTokenizerFast"},
    ),
    "distilbert-config-lowers": (
        distilbert_config(dim=16, n_layers=1, n_heads=2, hidden_dim=24),
        {"cased": True, "do_lower_case": True, "tokenizer_class": "DistilBertTokenizer"},
    ),
    "bert-no-type-ids": (bert_config(**SMALLER), {"model_input_names": ["input_ids", "attention_mask"]}),
    "distilbert-vocab": (distilbert_config(id2label={0: "NEGATIVE", 1: "POSITIVE"}), {"vocab_only": True}),
    "distilbert-relu": (distilbert_config(activation="relu", sinusoidal_pos_embds=True), {}),
    "distilbert-odd-sizes": (distilbert_config(dim=36, n_heads=3, hidden_dim=50, num_labels=5), {}),
}


def write_weights(directory, tensors, options):
    """The state as one file or as shards, in the asked type and under the asked names."""
    if "dtype" in options:
        tensors = {name: tensor.to(options["dtype"]) for name, tensor in tensors.items()}
    if options.get("old_names"):
        renamed = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
        for new, old in renamed.items():
            tensors = {name.replace(new, old): tensor for name, tensor in tensors.items()}
        tensors["bert.embeddings.position_ids"] = torch.arange(POSITIONS).unsqueeze(0)
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    shards = options.get("shards", 1)
    if shards == 1:
        save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
        return
    places = {name: index % shards for index, name in enumerate(sorted(tensors))}
    files = [f"model-{shard + 1:05}-of-{shards:05}.safetensors" for shard in range(shards)]
    for shard, file in enumerate(files):
        part = {name: tensor for name, tensor in tensors.items() if places[name] == shard}
        save_file(part, directory / file, metadata={"format": "pt"})
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": {name: files[places[name]] for name in sorted(tensors)}}
    write_json(directory / "model.safetensors.index.json", index)


def write_model(directory, config, options, seed):
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    config.vocab_size = write_tokenizer(directory, options)
    model = transformers.AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    randomise(model, torch.Generator().manual_seed(seed), options.get("output_scale", 0.6))
    config.architectures = [type(model).__name__]
    saved = config.to_diff_dict()
    saved["num_labels"] = saved.pop("num_labels", config.num_labels)
    if options.get("no_labels"):
        # transformers reads the number of labels from id2label or num_labels: the latter alone gives LABEL_i.
        saved.pop("id2label", None), saved.pop("label2id", None)
    else:
        saved.pop("num_labels")
        saved["id2label"] = {str(index): label for index, label in config.id2label.items()}
        saved["label2id"] = {label: index for index, label in config.id2label.items()}
    if options.get("bare_config"):
        usual = type(config)().to_dict()
        saved = {key: value for key, value in saved.items() if key == "model_type" or usual.get(key, saved) != value}
    write_json(directory / "config.json", dict(sorted(saved.items())))
    state = model.state_dict()
    write_weights(directory, revert_weight_conversion(model, state) if options.get("first_names") else state, options)


def tiny_rows(directory, config, options):
    oracle = Oracle(directory)
    texts = [(text, None) for text in TEXTS + options.get("texts", [])]
    # A second sequence needs a second token type, where the tokenizer gives one.
    if getattr(config, "type_vocab_size", 2) == 2 or "token_type_ids" not in oracle.tokenizer.model_input_names:
        texts += PAIRS
    return [oracle.row(text, pair) for text, pair in texts]


def spread(rows):
    return max(max(column) - min(column) for column in zip(*(row["logits"] for row in rows)))


def make_model(directory, config, options):
    """Writes a tiny model with its golden rows."""
    name = directory.name
    for attempt in range(20):
        # Another seed where two labels of a text come too close for float32 to order them.
        write_model(directory, config, options, SEED + zlib.crc32(name.encode()) + attempt)
        try:
            rows = tiny_rows(directory, config, options)
            assert spread(rows) > 0.5, "the logits hardly depend on the text"
            break
        except AssertionError as error:
            print(f"{name}: another seed, for {str(error)[:100]}")
    else:
        raise SystemExit(f"{name}: no seed of 20 gives rows fit as tests")
    write_rows(directory / "golden.jsonl", rows)


def make_models():
    for name, (config, options) in TINY.items():
        make_model(GOLDEN / "models" / name, config, options)


def write_versions():
    versions = {"python": platform.python_version(), "torch": torch.__version__.split("+")[0]}
    versions |= {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__}
    write_json(GOLDEN / "versions.json", versions)
    print("made with", ", ".join(f"{name} {version}" for name, version in versions.items()))


def main():
    makers = {"texts": make_texts, "pipeline": make_pipeline, "models": make_models}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[[], *makers], help="which files to write; all by default")
    what = parser.parse_args().what or list(makers)
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for name in what:
        makers[name]()
    write_versions()


if __name__ == "__main__":
    main()
