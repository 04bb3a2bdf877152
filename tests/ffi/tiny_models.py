"""Tiny random models for the tests of the Python engine, and what transformers' own pipelines say. Runs in the venv that has
transformers and torch:

    tiny_models.py make DIRECTORY      one model a task in DIRECTORY/TASK
    tiny_models.py ask                 stdin: [{"model", "task", "requests": [{"inputs", "parameters"}]}] -> stdout: [[result]]
"""

import copy
import json
import pathlib
import sys

import torch
import transformers

CONFIG = {"vocab_size": 0, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
WORDS = "i love hate you like the a is this example about war peace berlin paris lives in good bad my friend are . , !".split()
PIECES = ["##s", "##ed", *"abcdefghijklmnopqrstuvwxyz", *("##" + letter for letter in "abcdefghijklmnopqrstuvwxyz")]


def tokenizer(directory):
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(WORDS + PIECES)]
    directory.mkdir(parents=True)
    (directory / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    fast = transformers.BertTokenizerFast(
        {word: index for index, word in enumerate(vocabulary)}, model_max_length=128
    )
    fast.save_pretrained(directory)
    return len(vocabulary)


def make(directory):
    kinds = {
        "text-classification": (transformers.BertForSequenceClassification, ["NEGATIVE", "POSITIVE", "mixed"]),
        "zero-shot-classification": (transformers.BertForSequenceClassification, ["contradiction", "neutral", "entailment"]),
        "token-classification": (transformers.BertForTokenClassification, ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]),
        "fill-mask": (transformers.BertForMaskedLM, None),
        "feature-extraction": (transformers.BertModel, None),
    }
    for seed, (task, (kind, labels)) in enumerate(kinds.items()):
        torch.manual_seed(seed)
        size = tokenizer(directory / task)
        extra = {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}} if labels else {}
        config = transformers.BertConfig(**{**CONFIG, "vocab_size": size}, initializer_range=0.5, **extra)
        kind(config).eval().save_pretrained(directory / task)


def plain(value):
    return value.tolist()


def ask(question):
    pipe = transformers.pipeline(question["task"], model=question["model"], device="cpu")
    requests = copy.deepcopy(question["requests"])  # pipelines change the parameters that they are given
    return [pipe(request["inputs"], **request.get("parameters", {})) for request in requests]


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(pathlib.Path(sys.argv[2]))
    else:
        json.dump([ask(question) for question in json.load(sys.stdin)], sys.stdout, default=plain)
