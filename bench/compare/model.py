"""A model of DistilBERT-base-uncased-finetuned-sst-2-english's shape, with random weights: speed does not depend on them.

The vocabulary and tokenizer are those of the embedded model, which is of the same uncased vocabulary. Wants numpy.
"""

import json
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VOCABULARY, POSITIONS = 30522, 512
SHAPES = {  # (hidden size, inner size, layers, heads); tiny is for tests
    "distilbert-shape": (768, 3072, 6, 12),
    "tiny-shape": (32, 64, 2, 2),
}
SPREAD = 10  # the classifier's weights by this much larger, so that texts differ in their scores by more than rounding


def configuration(shape):
    dim, inner, layers, heads = SHAPES[shape]
    return {
        "architectures": ["DistilBertForSequenceClassification"],
        "model_type": "distilbert",
        "activation": "gelu",
        "dim": dim,
        "hidden_dim": inner,
        "n_layers": layers,
        "n_heads": heads,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": POSITIONS,
        "pad_token_id": 0,
        "sinusoidal_pos_embds": False,
        "id2label": {"0": "NEGATIVE", "1": "POSITIVE"},
        "label2id": {"NEGATIVE": 0, "POSITIVE": 1},
        "dtype": "float32",
    }


def tensor_shapes(shape):
    """-> {tensor name: shape} of a DistilBertForSequenceClassification"""
    dim, inner, layers, _ = SHAPES[shape]
    found = {
        "distilbert.embeddings.word_embeddings.weight": (VOCABULARY, dim),
        "distilbert.embeddings.position_embeddings.weight": (POSITIONS, dim),
        "distilbert.embeddings.LayerNorm.weight": (dim,),
        "distilbert.embeddings.LayerNorm.bias": (dim,),
    }
    products = [(f"attention.{name}_lin", dim, dim) for name in ("q", "k", "v", "out")]
    products += [("ffn.lin1", inner, dim), ("ffn.lin2", dim, inner)]
    for layer in range(layers):
        prefix = f"distilbert.transformer.layer.{layer}."
        for name, rows, columns in products:
            found[f"{prefix}{name}.weight"], found[f"{prefix}{name}.bias"] = (rows, columns), (rows,)
        for name in ("sa_layer_norm", "output_layer_norm"):
            found[f"{prefix}{name}.weight"], found[f"{prefix}{name}.bias"] = (dim,), (dim,)
    found |= {"pre_classifier.weight": (dim, dim), "pre_classifier.bias": (dim,)}
    return found | {"classifier.weight": (2, dim), "classifier.bias": (2,)}


def random_tensor(name, shape, generator):
    import numpy

    if name.endswith("bias"):
        return numpy.zeros(shape, numpy.float32)
    if len(shape) == 1:  # a layer norm's
        return numpy.ones(shape, numpy.float32)
    scale = 0.02 * (SPREAD if name == "classifier.weight" else 1)  # 0.02: BERT's initializer_range
    return generator.standard_normal(shape, numpy.float32) * numpy.float32(scale)


def write_safetensors(path, named_shapes, make):
    """Writes one tensor after the other, so that no more than one is in memory."""
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in named_shapes.items():
        size = 4
        for extent in shape:
            size *= extent
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in named_shapes.items():
            file.write(make(name, shape).tobytes())


def make_model(directory, shape="distilbert-shape"):
    """Makes the model unless it is there. A run that was interrupted leaves nothing that looks whole. -> directory"""
    import numpy

    if directory.exists():
        return directory
    unfinished = directory.with_name(directory.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(ROOT / "models/sst2-minilm" / name, unfinished / name)
    (unfinished / "config.json").write_text(json.dumps(configuration(shape), indent=2) + "\n")
    generator = numpy.random.default_rng(0)
    write_safetensors(
        unfinished / "model.safetensors", tensor_shapes(shape), lambda *tensor: random_tensor(*tensor, generator)
    )
    unfinished.rename(directory)
    return directory
