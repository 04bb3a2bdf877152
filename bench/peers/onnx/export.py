"""Writes a classifier of BERT's kin as ONNX with onnxruntime's fused operators, and its dynamic int8 form.

    export.py MODEL OUTPUT_DIRECTORY    -> model.onnx, model-int8.onnx

The graph takes ids [texts, tokens] and lengths [texts] (tokens without padding) and gives logits [texts, labels]. Texts are
single, so the embedding of token type 0 is added to the positions' once, here. What the graph cannot say is refused. There are
two forms of it: `Fused`, with the operators that onnxruntime's own optimiser makes of an export, and `Standard`, with ONNX's
own, for other engines (bench/engine).
"""

import json
import sys
from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

OPSETS = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]

# Where each family keeps the same parts. `head`: the product before the last one, its activation, and the last.
BERT = {
    "prefix": "bert.",
    "layer": "encoder.layer.{}.",
    "heads": "num_attention_heads",
    "layers": "num_hidden_layers",
    "activation": "hidden_act",
    "head": ("bert.pooler.dense", "Tanh", "classifier"),
    "qkv": [f"attention.self.{name}" for name in ("query", "key", "value")],
    "out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "output_norm": "output.LayerNorm",
}
ROBERTA = {
    **BERT,
    "prefix": "roberta.",
    "head": ("classifier.dense", "Tanh", "classifier.out_proj"),
    "after_padding": True,  # positions begin past padding's
}
FAMILIES = {
    "bert": BERT,
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
    "camembert": ROBERTA,
    "electra": {
        **BERT,
        "prefix": "electra.",
        "head": ("classifier.dense", "Gelu", "classifier.out_proj"),
        "projection": "embeddings_project",
    },
    "albert": {
        **BERT,
        "prefix": "albert.",
        "layer": "encoder.albert_layer_groups.0.albert_layers.0.",  # of every layer
        "head": ("albert.pooler", "Tanh", "classifier"),
        "projection": "encoder.embedding_hidden_mapping_in",
        "qkv": [f"attention.{name}" for name in ("query", "key", "value")],
        "out": "attention.dense",
        "attention_norm": "attention.LayerNorm",
        "up": "ffn",
        "down": "ffn_output",
        "output_norm": "full_layer_layer_norm",
    },
    "distilbert": {
        "prefix": "distilbert.",
        "layer": "transformer.layer.{}.",
        "heads": "n_heads",
        "layers": "n_layers",
        "activation": "activation",
        "head": ("pre_classifier", "Relu", "classifier"),
        "qkv": [f"attention.{name}_lin" for name in "qkv"],
        "out": "attention.out_lin",
        "attention_norm": "sa_layer_norm",
        "up": "ffn.lin1",
        "down": "ffn.lin2",
        "output_norm": "output_layer_norm",
    },
}


class Graph:
    """Nodes and constants in the order in which they are added."""

    def __init__(self, tensors, epsilon, heads, activation):
        if activation not in self.ACTIVATIONS:
            raise SystemExit(f"activation {activation}: this script writes {' and '.join(self.ACTIVATIONS)}")
        self.tensors, self.epsilon, self.heads, self.activation = tensors, epsilon, heads, activation
        self.nodes, self.constants = [], {}

    def constant(self, name, value):
        self.constants[name] = numpy_helper.from_array(numpy.array(value, order="C"), name)
        return name

    def node(self, operator, inputs, name, domain="", **attributes):
        name = f"{name}/{len(self.nodes)}"  # layers that share weights have the same name
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def tensor(self, name):
        old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        value = self.tensors.get(name, self.tensors.get(old))
        if value is None:
            raise SystemExit(f"the model has no tensor {name}")
        return value.astype(numpy.float32)

    def parameter(self, name):
        return self.constant(name, self.tensor(name))

    def product(self, x, name):
        """torch keeps a weight as [outputs, inputs], MatMul takes [inputs, outputs]."""
        weight = self.constant(name + ".weight", self.tensor(name + ".weight").T)
        return self.node("MatMul", [x, weight], name + ".product")

    def linear(self, x, name):
        return self.node("Add", [self.product(x, name), self.parameter(name + ".bias")], name)

    def norm(self, x, name):
        inputs = [x, self.parameter(name + ".weight"), self.parameter(name + ".bias")]
        return self.node("LayerNormalization", inputs, name, epsilon=self.epsilon)


class Fused(Graph):
    """onnxruntime's operators."""

    ACTIVATIONS = {"gelu": "BiasGelu", "gelu_new": "FastGelu"}

    def prepare_lengths(self):
        """Attention takes them as they are."""

    def attention(self, x, prefix, names):
        weights = [self.tensor(f"{prefix}{name}.weight").T for name in names]
        biases = [self.tensor(f"{prefix}{name}.bias") for name in names]
        weight = self.constant(prefix + "qkv.weight", numpy.concatenate(weights, axis=1))
        bias = self.constant(prefix + "qkv.bias", numpy.concatenate(biases))
        inputs = [x, weight, bias, "lengths"]
        return self.node("Attention", inputs, prefix + "attention", domain="com.microsoft", num_heads=self.heads)

    def linear_and_norm(self, x, residual, linear, norm):
        inputs = [self.product(x, linear), residual, *(self.parameter(f"{norm}.{kind}") for kind in ("weight", "bias"))]
        inputs.append(self.parameter(linear + ".bias"))
        return self.node("SkipLayerNormalization", inputs, norm, domain="com.microsoft", epsilon=self.epsilon)

    def linear_and_activation(self, x, linear):
        inputs = [self.product(x, linear), self.parameter(linear + ".bias")]
        return self.node(self.ACTIVATIONS[self.activation], inputs, linear + ".gelu", domain="com.microsoft")


class Standard(Graph):
    """ONNX's own operators."""

    ACTIVATIONS = ("gelu",)

    def prepare_lengths(self):
        """[texts] -> [texts, 1, 1, tokens] of 0, and of a very negative number where there is padding"""
        shape = self.node("Shape", ["ids"], "tokens_shape", start=1, end=2)
        count = self.node("Squeeze", [shape], "tokens_count")
        zero, one = self.constant("at_zero", numpy.int64(0)), self.constant("at_one", numpy.int64(1))
        places = self.node("Range", [zero, count, one], "places")
        wide = self.node("Cast", ["lengths"], "lengths_wide", to=TensorProto.INT64)
        axes = self.constant("axes", numpy.int64([1, 2, 3]))
        absent = self.node("GreaterOrEqual", [places, self.node("Unsqueeze", [wide, axes], "lengths_4")], "absent")
        floats = self.node("Cast", [absent], "absent_float", to=TensorProto.FLOAT)
        self.mask = self.node("Mul", [floats, self.constant("least", numpy.float32(-1e9))], "mask")

    def attention(self, x, prefix, names):
        size = len(self.tensor(f"{prefix}{names[0]}.bias")) // self.heads
        split = self.constant("split_heads", numpy.int64([0, 0, self.heads, size]))
        orders = ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
        q, k, v = (
            self.node("Transpose", [self.node("Reshape", [self.linear(x, prefix + name), split], f"{prefix}{name}.heads")],
                      f"{prefix}{name}.turned", perm=order)
            for name, order in zip(names, orders)
        )  # fmt: skip
        root = self.constant("root", numpy.float32(size**0.5))
        scores = self.node("Div", [self.node("MatMul", [q, k], prefix + "qk"), root], prefix + "scores")
        masked = self.node("Add", [scores, self.mask], prefix + "masked")
        weights = self.node("Softmax", [masked], prefix + "softmax", axis=-1)
        joined = self.node("Transpose", [self.node("MatMul", [weights, v], prefix + "mixed")], prefix + "back", perm=[0, 2, 1, 3])
        whole = self.constant("join_heads", numpy.int64([0, 0, self.heads * size]))
        return self.node("Reshape", [joined, whole], prefix + "attention")

    def linear_and_norm(self, x, residual, linear, norm):
        return self.norm(self.node("Add", [self.linear(x, linear), residual], linear + ".sum"), norm)

    def linear_and_activation(self, x, linear):
        y = self.linear(x, linear)
        root, one, half = (self.constant(name, numpy.float32(value)) for name, value in (("root_2", 2**0.5), ("one", 1), ("half", 0.5)))
        erf = self.node("Erf", [self.node("Div", [y, root], linear + ".scaled")], linear + ".erf")
        both = self.node("Mul", [y, self.node("Add", [erf, one], linear + ".erf_1")], linear + ".twice")
        return self.node("Mul", [both, half], linear + ".gelu")


def embeddings(graph, family, config):
    prefix = family["prefix"]
    words = graph.constant("words", graph.tensor(prefix + "embeddings.word_embeddings.weight"))
    positions = graph.tensor(prefix + "embeddings.position_embeddings.weight")
    types = graph.tensors.get(prefix + "embeddings.token_type_embeddings.weight")
    positions = positions[config["pad_token_id"] + 1 :] if "after_padding" in family else positions
    positions = graph.constant("positions", positions if types is None else positions + types[0])
    shape = graph.node("Shape", ["ids"], "shape", start=1, end=2)
    zero, axis = graph.constant("zero", numpy.int64([0])), graph.constant("axis", numpy.int64([0]))
    used = graph.node("Slice", [positions, zero, shape, axis], "used_positions")
    total = graph.node("Add", [graph.node("Gather", [words, "ids"], "word_rows"), used], "embedded")
    x = graph.norm(total, prefix + "embeddings.LayerNorm")
    projection = prefix + family.get("projection", "")
    return graph.linear(x, projection) if projection + ".weight" in graph.tensors else x


def layer(graph, family, x, prefix):
    mixed = graph.attention(x, prefix, family["qkv"])
    x = graph.linear_and_norm(mixed, x, prefix + family["out"], prefix + family["attention_norm"])
    inner = graph.linear_and_activation(x, prefix + family["up"])
    return graph.linear_and_norm(inner, x, prefix + family["down"], prefix + family["output_norm"])


def build(directory, form=Fused):
    config = json.loads((directory / "config.json").read_text())
    family = FAMILIES.get(config["model_type"])
    if family is None:
        raise SystemExit(f"model_type {config['model_type']}: this script writes {' and '.join(FAMILIES)}")
    if config.get("num_hidden_groups", 1) != 1 or config.get("inner_group_num", 1) != 1:
        raise SystemExit("this script writes models whose layers share one set of weights, or none")
    tensors = load_file(directory / "model.safetensors")
    graph = form(tensors, config.get("layer_norm_eps", 1e-12), config[family["heads"]], config[family["activation"]])
    graph.prepare_lengths()
    x = embeddings(graph, family, config)
    for index in range(config[family["layers"]]):
        x = layer(graph, family, x, family["prefix"] + family["layer"].format(index))
    first = graph.node("Gather", [x, graph.constant("first", numpy.int64(0))], "first_token", axis=1)
    name, activation, output = family["head"]
    pooled = graph.node(activation, [graph.linear(first, name)], "pooled")
    logits = graph.linear(pooled, output)
    inputs = [
        helper.make_tensor_value_info("ids", TensorProto.INT64, ["texts", "tokens"]),
        helper.make_tensor_value_info("lengths", TensorProto.INT32, ["texts"]),
    ]
    outputs = [helper.make_tensor_value_info(logits, TensorProto.FLOAT, ["texts", "labels"])]
    body = helper.make_graph(graph.nodes, "classifier", inputs, outputs, initializer=list(graph.constants.values()))
    return helper.make_model(body, opset_imports=OPSETS, ir_version=10)


def quantise(source, path, **options):
    """Dynamic: weights once, a scale a column; activations per tensor at each product."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(source, path, op_types_to_quantize=["MatMul", "Attention"], weight_type=QuantType.QInt8, per_channel=True,
                     extra_options={"DefaultTensorType": TensorProto.FLOAT}, **options)  # fmt: skip


def main():
    directory, output = Path(sys.argv[1]), Path(sys.argv[2])
    output.mkdir(parents=True, exist_ok=True)
    onnx.save(build(directory), output / "model.onnx")
    quantise(output / "model.onnx", output / "model-int8.onnx")


if __name__ == "__main__":
    main()
