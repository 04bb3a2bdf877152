"""A DistilBERT classifier for the comparison, made with random weights where none is given."""

import json
import shutil
import struct
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parents[2]
SHAPE = {"dim": 768, "hidden_dim": 3072, "n_heads": 12, "n_layers": 6, "vocab_size": 30522, "max_position_embeddings": 512}


# --- safetensors (a length, a JSON header, the bytes)


def write_tensors(path, tensors):
    header, at = {}, 0
    for name, value in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [at, at + value.nbytes]}
        at += value.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for value in tensors.values():
            file.write(value.tobytes())


# --- The model


def layer_names(layer):
    prefix = f"distilbert.transformer.layer.{layer}."
    return {
        "q": prefix + "attention.q_lin", "k": prefix + "attention.k_lin", "v": prefix + "attention.v_lin",
        "out": prefix + "attention.out_lin", "attention_norm": prefix + "sa_layer_norm",
        "up": prefix + "ffn.lin1", "down": prefix + "ffn.lin2", "norm": prefix + "output_layer_norm",
    }  # fmt: skip


def make(directory):
    """Random weights as DistilBERT is initialised before training: normal, deviation 0.02; no biases. Always the same."""
    random = numpy.random.default_rng(0)
    hidden, inner = SHAPE["dim"], SHAPE["hidden_dim"]
    tensors = {}

    def normal(name, *shape):
        tensors[name] = random.normal(0, 0.02, shape).astype("<f4")

    def linear(name, out, inputs):
        normal(name + ".weight", out, inputs)
        tensors[name + ".bias"] = numpy.zeros(out, "<f4")

    def norm(name):
        tensors[name + ".weight"] = numpy.ones(hidden, "<f4")
        tensors[name + ".bias"] = numpy.zeros(hidden, "<f4")

    normal("distilbert.embeddings.word_embeddings.weight", SHAPE["vocab_size"], hidden)
    normal("distilbert.embeddings.position_embeddings.weight", SHAPE["max_position_embeddings"], hidden)
    norm("distilbert.embeddings.LayerNorm")
    for layer in range(SHAPE["n_layers"]):
        names = layer_names(layer)
        for part in ("q", "k", "v", "out"):
            linear(names[part], hidden, hidden)
        linear(names["up"], inner, hidden)
        linear(names["down"], hidden, inner)
        norm(names["attention_norm"])
        norm(names["norm"])
    linear("pre_classifier", hidden, hidden)
    linear("classifier", 2, hidden)
    directory.mkdir(parents=True)
    config = {**SHAPE, "model_type": "distilbert", "architectures": ["DistilBertForSequenceClassification"], "activation": "gelu",
              "id2label": {"0": "NEGATIVE", "1": "POSITIVE"}, "label2id": {"NEGATIVE": 0, "POSITIVE": 1}}  # fmt: skip
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    for name in ("tokenizer.json", "tokenizer_config.json"):  # a vocabulary of the same size
        shutil.copy(ROOT / "models/sst2-minilm" / name, directory)
    write_tensors(directory / "model.safetensors", tensors)
