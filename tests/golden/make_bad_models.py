"""Model directories that must be refused: contradictions, unsupported kinds and hostile bytes.

    python tests/golden/make_bad_models.py OUT

Each is a tiny golden model with one edit. Writes OUT/<case>/ and OUT/cases.tsv with one line a case: its name, the
kinds of error that it may be refused with (base/error.h's names, joined by "|") and a regular expression that the
message must match. Standard library only.
"""

import json
import os
import struct
import sys
from pathlib import Path
from typing import Callable, NamedTuple

GOLDEN = Path(__file__).resolve().parent
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
QUERY = "bert.encoder.layer.0.attention.self.query.weight"
UP = "bert.encoder.layer.1.intermediate.dense.weight"
QUERY_PATTERN = QUERY.replace(".", r"\.")
UP_PATTERN = UP.replace(".", r"\.")
DELETE = object()
FOLDER, PIPE = object(), object()  # in place of a file's bytes
DEEP = 200_000


class Case(NamedTuple):
    name: str
    kind: str  # error kinds, joined by "|"
    pattern: str  # what the message names
    base: str  # the golden model that is edited, in models/ where no folder is named
    edit: Callable[[dict], None]  # changes the directory, a dict of file name -> bytes, in place


CASES: list[Case] = []


def add(name, kind, pattern, edit, base="bert-gelu"):
    CASES.append(Case(name, kind, pattern, base, edit))


def json_bytes(value):
    return json.dumps(value).encode()


def change(files, name, changes):
    """Sets, or with DELETE removes, keys of the object in a JSON file."""
    value = json.loads(files[name])
    for key, new in changes.items():
        if new is DELETE:
            value.pop(key, None)
        else:
            value[key] = new
    files[name] = json_bytes(value)


def replace(name, content):
    return lambda files: files.__setitem__(name, content)


def remove(*names):
    return lambda files: [files.pop(name, None) for name in names]


# --- config.json ---


def add_config(name, kind, pattern, base="bert-gelu", **changes):
    add(f"config-{name}", kind, pattern, lambda files: change(files, "config.json", changes), base)


UNSUPPORTED = "unsupported_model"
BAD = "bad_model"

add_config(
    "relative-positions", UNSUPPORTED, r"position_embedding_type.*relative_key",
    position_embedding_type="relative_key",
)  # fmt: skip
add_config("decoder", UNSUPPORTED, r"is_decoder", is_decoder=True)
add_config("cross-attention", UNSUPPORTED, r"add_cross_attention|is_decoder", is_decoder=True, add_cross_attention=True)
add_config("mish", UNSUPPORTED, r"hidden_act.*mish", hidden_act="mish")
add_config("distilbert-mish", UNSUPPORTED, r"activation.*mish", "distilbert-relu", activation="mish")
add_config(
    "xlnet", UNSUPPORTED, r"model_type.*xlnet.*\"bert\".*\"roberta\"",
    model_type="xlnet", architectures=["XLNetForSequenceClassification"],
)  # fmt: skip
add_config("next-sentence", UNSUPPORTED, r"BertForNextSentencePrediction", architectures=["BertForNextSentencePrediction"])
add_config("masked-lm-without-head", BAD, r"cls\.predictions\.transform\.dense\.weight is missing", architectures=["BertForMaskedLM"])
add_config("no-model-type", BAD, r"model_type", model_type=DELETE)
add_config("model-type-a-number", BAD, r"model_type", model_type=7)

for value, name in [(-32, "negative"), (0, "zero"), (32.5, "a-fraction"), ("32", "a-string"), (10**9, "huge"),
                    (2**63, "past-int64"), (True, "true"), ([32], "a-list"), (33, "not-divisible")]:  # fmt: skip
    add_config(f"hidden-size-{name}", BAD, r"hidden_size", hidden_size=value)
for value, name in [(0, "zero"), (-4, "negative"), (5, "not-a-divisor"), (2**31, "huge")]:
    add_config(f"heads-{name}", BAD, r"num_attention_heads|hidden_size", num_attention_heads=value)
for value, name in [(0, "zero"), (-1, "negative"), (10**9, "huge"), (2**64 - 1, "past-int64")]:
    add_config(f"layers-{name}", BAD, r"num_hidden_layers|encoder\.layer\.\d+", num_hidden_layers=value)
add_config("one-layer-too-many", BAD, r"bert\.encoder\.layer\.2\.", num_hidden_layers=3)
add_config("distilbert-layers-huge", BAD, r"n_layers|transformer\.layer\.\d+", "distilbert-relu", n_layers=10**9)
add_config("distilbert-dim-not-divisible", BAD, r"\bdim\b|n_heads", "distilbert-relu", dim=33)
add_config("distilbert-alias-null", BAD, r"hidden_size is null", "distilbert-relu", hidden_size=None)
add_config("distilbert-alias-other", BAD, r"transformer\.layer\.\d+", "distilbert-relu", num_hidden_layers=40)
add_config("vocab-larger", BAD, r"word_embeddings", vocab_size=1000)
add_config("vocab-smaller", BAD, r"word_embeddings", vocab_size=100)
add_config("vocab-huge", BAD, r"vocab_size|word_embeddings", vocab_size=2**40)
add_config("positions-larger", BAD, r"position_embeddings", max_position_embeddings=64)
add_config("positions-zero", BAD, r"max_position_embeddings", max_position_embeddings=0)
add_config("types-larger", BAD, r"token_type_embeddings", type_vocab_size=3)
add_config("intermediate-larger", BAD, r"intermediate", intermediate_size=49)
add_config("intermediate-negative", BAD, r"intermediate_size", intermediate_size=-48)
add_config("eps-a-string", BAD, r"layer_norm_eps is a string, want a number from 0 to 1", layer_norm_eps="1e-12")
add_config("eps-null", BAD, r"layer_norm_eps is null, want a number from 0 to 1", layer_norm_eps=None)
add_config("eps-negative", BAD, r"layer_norm_eps is -1e-12", layer_norm_eps=-1e-12)
add_config("activation-a-number", f"{BAD}|{UNSUPPORTED}", r"hidden_act", hidden_act=7)
add_config("labels-a-list", BAD, r"id2label", id2label=["NEGATIVE", "POSITIVE"])
add_config("labels-with-a-gap", BAD, r"id2label", id2label={"0": "NEGATIVE", "2": "POSITIVE"})
add_config("labels-numbers", f"{BAD}|{UNSUPPORTED}", r"id2label", id2label={"0": 0, "1": 1})
add_config("labels-not-numbered", BAD, r"id2label", id2label={"first": "NEGATIVE", "second": "POSITIVE"})
add_config("labels-numbered-far", BAD, r"id2label", id2label={"0": "NEGATIVE", "18446744073709551617": "POSITIVE"})
add_config("one-label-too-many", BAD, r"classifier", id2label={"0": "A", "1": "B", "2": "C"}, label2id=DELETE)
add_config("label-count-huge", BAD, r"num_labels|classifier", id2label=DELETE, label2id=DELETE, num_labels=10**9)
add_config("problem-type-unknown", f"{BAD}|{UNSUPPORTED}", r"problem_type.*guess", problem_type="guess")

ROBERTA, ELECTRA, ALBERT = "families/roberta", "families/electra", "families/albert"
for value, name in [(None, "null"), (-1, "negative"), (400, "past-the-vocabulary"), ("1", "a-string")]:
    add_config(f"padding-{name}", BAD, r"pad_token_id", ROBERTA, pad_token_id=value)
add_config("positions-all-of-padding", BAD, r"max_position_embeddings.*50", ROBERTA, pad_token_id=60)
add_config("roberta-head-of-bert", UNSUPPORTED, r"BertForSeq.*RobertaForSeq", ROBERTA,
           architectures=["BertForSequenceClassification"])  # fmt: skip
add_config("embedding-other", BAD, r"electra\.embeddings\.word_embeddings.*20.*24", ELECTRA, embedding_size=24)
add_config("embedding-zero", BAD, r"embedding_size", ELECTRA, embedding_size=0)
add_config("groups-more-than-layers", BAD, r"num_hidden_groups", ALBERT, num_hidden_groups=4)
add_config("groups-one-too-many", BAD, r"albert_layer_groups\.1\.albert_layers\.0\.", ALBERT, num_hidden_groups=2)
add_config("inner-layers-one-too-many", BAD, r"albert_layer_groups\.0\.albert_layers\.1\.", ALBERT, inner_group_num=2)
add_config("inner-layers-huge", BAD, r"inner_group_num", ALBERT, inner_group_num=10**6)

MPNET, DEBERTA, MODERNBERT, NOMIC = (f"families/{name}" for name in ("mpnet", "deberta-v2", "modernbert", "nomic_bert"))
add_config("distance-buckets", UNSUPPORTED, r"relative_attention_num_buckets.*16.*32", MPNET,
           relative_attention_num_buckets=16)  # fmt: skip
add_config("convolution", UNSUPPORTED, r"conv_kernel_size.*3", DEBERTA, conv_kernel_size=3)
add_config("deberta-embedding", UNSUPPORTED, r"embedding_size.*20.*32", DEBERTA, embedding_size=20)
add_config("deberta-pooler", UNSUPPORTED, r"pooler_hidden_size.*16.*32", DEBERTA, pooler_hidden_size=16)
add_config("deberta-heads", UNSUPPORTED, r"attention_head_size.*16.*8", DEBERTA, attention_head_size=16)
add_config("deberta-terms-a-number", BAD, r"pos_att_type", DEBERTA, pos_att_type=3)
add_config("deberta-positions", BAD, r"position_embeddings", DEBERTA, position_biased_input=True)
add_config("deberta-buckets-more", BAD, r"rel_embeddings.*32.*36", DEBERTA, position_buckets=18)
for changes, name in [({"position_buckets": 2}, "few"), ({"max_relative_positions": 9}, "near"),
                      ({"max_relative_positions": 17}, "left-out")]:  # fmt: skip
    add_config(f"deberta-buckets-{name}", UNSUPPORTED, r"max_relative_positions.*position_buckets", DEBERTA, **changes)
add_config("deberta-buckets-huge", BAD, r"position_buckets", DEBERTA, position_buckets=10**6)
add_config("layer-types-few", BAD, r"layer_types.*4", MODERNBERT, layer_types=["full_attention"])
add_config("layer-types-other", UNSUPPORTED, r"layer_types\[1\].*chunked", MODERNBERT,
           layer_types=["full_attention", "chunked_attention", "full_attention", "full_attention"])  # fmt: skip
add_config("window-a-string", BAD, r"local_attention", MODERNBERT, local_attention="wide")
add_config("window-null", BAD, r"sliding_window is null", MODERNBERT, sliding_window=None)
add_config("window-zero", BAD, r"sliding_window is 0", MODERNBERT, sliding_window=0)
add_config("global-never", BAD, r"global_attn_every_n_layers is 0", MODERNBERT, layer_types=DELETE, global_attn_every_n_layers=0)
add_config("rotary-scaled", UNSUPPORTED, r"rope_scaling", MODERNBERT, rope_scaling={"rope_type": "yarn"})
add_config("rotary-type", UNSUPPORTED, r"rope_type.*yarn", MODERNBERT,
           rope_parameters={"full_attention": {"rope_type": "yarn", "rope_theta": 100.0}})  # fmt: skip
for name, base, parameters in [
    ("older-type", NOMIC, {"type": "linear", "factor": 4.0}),
    ("older-type-of-a-member", MODERNBERT, {"sliding_attention": {"type": "dynamic", "factor": 2.0}}),
    ("older-type-for-all", MODERNBERT, {"type": "linear", "factor": 4.0}),
]:
    add_config(f"rotary-{name}", UNSUPPORTED, r"type (linear|dynamic), linnet supports \"default\"", base, rope_parameters=parameters)
add_config("rotary-older-scaling", UNSUPPORTED, r"rope_scaling", NOMIC, rope_scaling={"type": "linear", "factor": 4.0})
add_config("rotary-theta-zero", BAD, r"rope_theta", NOMIC, rope_parameters={"rope_theta": 0})
add_config("rotary-base-other", UNSUPPORTED, r"rotary_emb_base.*10000.*1000", NOMIC, rotary_emb_base=10000)
add_config("rotary-positions-huge", UNSUPPORTED, r"max_position_embeddings.*65536", NOMIC, max_position_embeddings=10**6)
add_config("nomic-experts", UNSUPPORTED, r"moe_every_n_layers.*2", NOMIC, moe_every_n_layers=2)
add_config("modernbert-pooling", UNSUPPORTED, r"classifier_pooling.*max", MODERNBERT, classifier_pooling="max")
add_config("modernbert-bias", BAD, r"attn\.Wqkv\.bias", MODERNBERT, attention_bias=True)
add_config("modernbert-decoder-bias-a-number", BAD, r"decoder_bias", "tasks/modernbert-mlm", decoder_bias=1)
add_config("modernbert-decoder-bias-missing", BAD, r"decoder\.bias is missing", "tasks/modernbert-untied-mlm", decoder_bias=True)
add_config("masked-lm-untied", BAD, r"decoder\.weight is missing", "tasks/modernbert-mlm", tie_word_embeddings=False)
add_config("masked-lm-tied-by-a-number", BAD, r"tie_word_embeddings", "tasks/modernbert-mlm", tie_word_embeddings=1)
add_config("deberta-older-head", BAD, r"cls\.predictions\.transform\.dense\.weight is missing", "tasks/deberta-v2-newer-mlm", legacy=True)
add_config("deberta-newer-head", BAD, r"lm_predictions\.lm_head\.dense\.weight is missing", "tasks/deberta-v2-mlm", legacy=False)
add_config("deberta-head-a-string", BAD, r"legacy", "tasks/deberta-v2-mlm", legacy="no")

for name, content in {
    "empty": b"",
    "cut": b'{"model_type": "bert", "hidden_si',
    "a-list": b"[]",
    "null": b"null",
    "deep-lists": b"[" * DEEP + b"]" * DEEP,
    "deep-objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "key-twice": b'{"model_type": "bert", "hidden_size": 32, "hidden_size": 64}',
    "not-utf8": b'{"model_type": "b\xff\xfert"}',
    "nul-bytes": b"\0" * 64,
    "number-past-double": b'{"model_type": "bert", "hidden_size": 1e999}',
}.items():
    add(f"config-{name}", BAD, r"config\.json", replace("config.json", content))


# --- model.safetensors ---


def split(weights):
    length = struct.unpack("<Q", weights[:8])[0]
    return json.loads(weights[8 : 8 + length]), weights[8 + length :]


def join(header, data):
    text = header if isinstance(header, bytes) else json_bytes(header)
    return struct.pack("<Q", len(text)) + text + data


def add_header(name, pattern, edit, kind=BAD):
    """A case whose edit gets the parsed header, changes it, and may return other data."""

    def apply(files):
        header, data = split(files[WEIGHTS])
        changed = edit(header, data)
        files[WEIGHTS] = join(header, data if changed is None else changed)

    add(f"weights-{name}", kind, pattern, apply)


def add_tensor(name, value, key):
    """A case in which one field of one tensor's entry is another value."""

    def edit(header, _):
        if value is DELETE:
            del header[QUERY][key]
        else:
            header[QUERY][key] = value

    add_header(name, QUERY_PATTERN, edit)


def rebuilt(edit):
    """The tensors as {name: (dtype, shape, bytes)}, edited and laid out anew without holes."""

    def apply(files):
        header, data = split(files[WEIGHTS])
        header.pop("__metadata__", None)
        tensors = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            tensors[name] = (entry["dtype"], entry["shape"], data[begin:end])
        edit(tensors)
        header, data = {}, b""
        for name, (dtype, shape, content) in tensors.items():
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
            data += content
        files[WEIGHTS] = join(header, data)

    return apply


def set_tensor(name, dtype, shape, content):
    return rebuilt(lambda tensors: tensors.__setitem__(name, (dtype, shape, content)))


for missing in ["electra.embeddings_project.weight", "electra.embeddings_project.bias"]:
    edit = rebuilt(lambda tensors, missing=missing: tensors.pop(missing))
    add(f"tensor-missing-{missing}", BAD, missing.replace(".", r"\."), edit, ELECTRA)
for missing in ["bert.embeddings.word_embeddings.weight", QUERY, "bert.pooler.dense.bias", "classifier.weight"]:
    short = missing.removeprefix("bert.").replace(".", "-")
    edit = rebuilt(lambda tensors, missing=missing: tensors.pop(missing))
    add(f"tensor-missing-{short}", BAD, missing.replace(".", r"\."), edit)
add("tensor-transposed", BAD, UP_PATTERN + r".*32.*48", set_tensor(UP, "F32", [32, 48], b"\0" * 4 * 32 * 48))
add("tensor-flat", BAD, UP_PATTERN, set_tensor(UP, "F32", [32 * 48], b"\0" * 4 * 32 * 48))
add("tensor-empty", BAD, UP_PATTERN, set_tensor(UP, "F32", [0], b""))
add("tensor-scalar", BAD, UP_PATTERN, set_tensor(UP, "F32", [], b"\0" * 4))
add("tensor-int64", f"{BAD}|{UNSUPPORTED}", UP_PATTERN + r".*I64", set_tensor(UP, "I64", [48, 32], b"\0" * 8 * 32 * 48))

BAD_OFFSETS = {
    "backwards": [4096, 0],
    "past-the-end": [0, 10**9],
    "negative": [-4096, 0],
    "fractions": [0.5, 4096.5],
    "huge": [2**64 - 4096, 2**64 - 1],
    "past-double": [1e300, 1e301],
    "strings": ["0", "4096"],
    "one": [0],
    "three": [0, 4096, 8192],
    "null": None,
    "missing": DELETE,
}
for name, value in BAD_OFFSETS.items():
    add_tensor(f"offsets-{name}", value, "data_offsets")
BAD_SHAPES = {
    "negative": [-32, -32],
    "fraction": [32.0, 32.5],
    "huge": [2**63, 1],
    "past-int64": [2**64, 1],
    "overflowing": [2**32, 2**32],
    "overflowing-to-its-size": [2**62 + 1, 32 * 32],  # modulo 2^64 its bytes are right
    "overflowing-behind-zero": [2**62, 2**62, 0],
    "of-another-size": [32, 31],
    "string": "32x32",
    "strings": ["32", "32"],
    "of-rank-10000": [1] * 10000,
    "missing": DELETE,
}
for name, value in BAD_SHAPES.items():
    add_tensor(f"shape-{name}", value, "shape")
BAD_DTYPES = {"missing": DELETE, "unknown": "Q4_K", "empty": "", "a-number": 32, "of-another-size": "F16"}
for name, value in BAD_DTYPES.items():
    add_tensor(f"dtype-{name}", value, "dtype")


def overlap(header, _):
    first, second = sorted((entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"))[:2]
    width = second[1] - second[0]
    second[:] = [first[1] - 4, first[1] - 4 + width]


def same_place(header, _):
    header["bert.pooler.dense.weight"]["data_offsets"] = header[QUERY]["data_offsets"]


def hole(header, data):
    for name, entry in header.items():
        if name != "__metadata__":
            entry["data_offsets"] = [offset + 64 for offset in entry["data_offsets"]]
    return b"\0" * 64 + data


add_header("overlap", r"model\.safetensors", overlap)
add_header("two-in-one-place", r"model\.safetensors", same_place)
add_header("hole", r"model\.safetensors", hole)
add("weights-lfs-pointer", BAD, r"git lfs pull",
    lambda files: files.update({WEIGHTS: b"version https://git-lfs.invalid/spec/v1\noid sha256:0\nsize 1\n"}))
add_header("trailing-bytes", r"model\.safetensors", lambda _, data: data + b"\0" * 64)
add_header("data-cut", r"model\.safetensors", lambda _, data: data[:-4])
add_header("no-data", r"model\.safetensors", lambda _, data: b"")
add_header("entry-a-number", QUERY_PATTERN, lambda header, _: header.__setitem__(QUERY, 7))
add_header("entry-null", QUERY_PATTERN, lambda header, _: header.__setitem__(QUERY, None))


def key_twice(files):
    header, data = split(files[WEIGHTS])
    entry = json.dumps(header[QUERY])
    text = json.dumps(header)[:-1] + f', "{QUERY}": {entry}}}'
    files[WEIGHTS] = join(text.encode(), data)


def add_raw(name, content):
    """A case whose weights file is `content`, or what it makes of the good file."""

    def apply(files):
        files[WEIGHTS] = content(files[WEIGHTS]) if callable(content) else content

    add(f"weights-{name}", BAD, r"model\.safetensors", apply)


def with_length(length):
    return lambda weights: struct.pack("<Q", length) + weights[8:]


add("weights-name-twice", BAD, r"model\.safetensors", key_twice)
add_raw("empty", b"")
add_raw("four-bytes", b"\1\2\3\4")
add_raw("only-a-length", struct.pack("<Q", 0))
add_raw("header-cut", lambda weights: weights[:100])
add_raw("header-length-zero", with_length(0))
add_raw("header-length-one", with_length(1))
add_raw("header-length-2-63", with_length(2**63))
add_raw("header-length-2-64", with_length(2**64 - 1))
add_raw("header-length-wraps", with_length(2**64 - 8))
add_raw("header-longer-than-file", lambda weights: struct.pack("<Q", len(weights) - 7) + weights[8:])
add_raw("header-length-short", with_length(1000))
add_raw("header-not-json", join(b"not JSON at all", b""))
add_raw("header-a-list", join(b"[]", b""))
add_raw("header-not-utf8", join(b'{"\xff\xfe": 1}', b""))
add_raw("header-deep-lists", join(b"[" * DEEP + b"]" * DEEP, b""))
add_raw("header-deep-objects", join(b'{"a":' * DEEP + b"1" + b"}" * DEEP, b""))
add_raw("of-zeros", b"\0" * 4096)
add_raw("of-a-pickle", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + b"\0" * 4096)


# --- shards ---


def add_index(name, kind, pattern, edit):
    """A case whose edit gets the parsed index and changes it."""

    def apply(files):
        index = json.loads(files[INDEX])
        edit(index)
        files[INDEX] = json_bytes(index)

    add(f"index-{name}", kind, pattern, apply, "bert-sharded")


def point(target):
    return lambda index: index["weight_map"].__setitem__(QUERY, target)


def lost_shard(files):
    del files["model-00002-of-00003.safetensors"]


add_index("outside", BAD, r"\.\./no-config", point("../no-config/model.safetensors"))
add_index("absolute", BAD, r"/etc/hostname", point("/etc/hostname"))
add_index("of-itself", BAD, r"index\.json|config\.json", point("config.json"))
add_index("dot-dot", BAD, r"\.\.", point(".."))
add_index("nul-in-name", BAD, r"index\.json", point("model-00001-of-00003.safetensors\0.bin"))
add_index("empty-name", BAD, r"index\.json", point(""))
add_index("shard-a-number", BAD, r"index\.json", point(3))
add_index("no-map", BAD, r"weight_map", lambda index: index.pop("weight_map"))
add_index("map-a-list", BAD, r"weight_map", lambda index: index.__setitem__("weight_map", []))
add_index("map-empty", BAD, r"weight_map|index\.json", lambda index: index.__setitem__("weight_map", {}))
add_index("unknown-shard", "not_found|bad_model", r"model-00009", point("model-00009-of-00003.safetensors"))


def wrong_shard(index):
    places = index["weight_map"]
    places[QUERY] = next(shard for shard in sorted(set(places.values())) if shard != places[QUERY])


add_index("wrong-shard", BAD, QUERY_PATTERN, wrong_shard)
add("index-lost-shard", "not_found|bad_model", r"model-00002-of-00003", lost_shard, "bert-sharded")
add("index-not-json", BAD, r"index\.json", replace(INDEX, b"{"), "bert-sharded")
add("index-deep", BAD, r"index\.json", replace(INDEX, b"[" * DEEP + b"]" * DEEP), "bert-sharded")


# --- files that are not there ---


def only_pickle(files):
    del files[WEIGHTS]
    files["pytorch_model.bin"] = b"PK\3\4"


add("no-config", "not_found", r"config\.json", remove("config.json"))
add("no-weights", "not_found", r"model\.safetensors", remove(WEIGHTS))
add("no-tokenizer", "not_found", r"tokenizer\.json|vocab\.txt", remove("tokenizer.json"))
add("only-pytorch-weights", UNSUPPORTED, r"pytorch_model\.bin", only_pickle)
add("config-a-folder", "bad_model|not_found|io", r"config\.json", replace("config.json", FOLDER))
add("weights-a-folder", "bad_model|not_found|io", r"model\.safetensors", replace(WEIGHTS, FOLDER))
add("config-a-pipe", "bad_model|not_found|io", r"config\.json", replace("config.json", PIPE))
add("weights-a-pipe", "bad_model|not_found|io", r"model\.safetensors", replace(WEIGHTS, PIPE))
add("no-files", "not_found", r"config\.json", lambda files: files.clear())


# --- tokenizers ---


def add_tokenizer(name, kind, pattern, edit, base="bert-gelu"):
    """A case whose edit gets the parsed tokenizer.json and changes it."""

    def apply(files):
        tokenizer = json.loads(files["tokenizer.json"])
        edit(tokenizer)
        files["tokenizer.json"] = json_bytes(tokenizer)

    add(f"tokenizer-{name}", kind, pattern, apply, base)


def put(*path_and_value):
    *path, last, value = path_and_value

    def edit(tokenizer):
        for key in path:
            tokenizer = tokenizer[key]
        if value is DELETE:
            del tokenizer[last]
        else:
            tokenizer[last] = value

    return edit


add_tokenizer("bpe", UNSUPPORTED, r"BPE", put("model", {"type": "BPE", "vocab": {"a": 0}, "merges": []}))
add_tokenizer("unigram", UNSUPPORTED, r"Unigram", put("model", {"type": "Unigram", "unk_id": 0, "vocab": [["a", 0.0]]}))
add_tokenizer("precompiled", BAD, r"precompiled_charsmap", put("normalizer", {"type": "Precompiled"}))
add_tokenizer("scripts", UNSUPPORTED, r"UnicodeScripts", put("pre_tokenizer", {"type": "UnicodeScripts"}))
add_tokenizer("no-model", f"{BAD}|{UNSUPPORTED}", r"tokenizer\.json", put("model", DELETE))
add_tokenizer("model-a-list", BAD, r"tokenizer\.json", put("model", []))
add_tokenizer("no-vocab", BAD, r"vocab", put("model", "vocab", DELETE))
add_tokenizer("vocab-empty", BAD, r"vocab|\[UNK\]", put("model", "vocab", {}))
add_tokenizer("id-negative", BAD, r"vocab|good", put("model", "vocab", "good", -1))
add_tokenizer("id-a-fraction", BAD, r"vocab|good", put("model", "vocab", "good", 1.5))
add_tokenizer("id-a-string", BAD, r"vocab|good", put("model", "vocab", "good", "1"))
add_tokenizer("id-past-int32", BAD, r"vocab|good", put("model", "vocab", "good", 2**31))
add_tokenizer("id-past-int64", BAD, r"vocab|good", put("model", "vocab", "good", 2**64))
add_tokenizer("added-token-negative", BAD, r"added_tokens", put("added_tokens", 0, "id", -1))
add_tokenizer("added-tokens-a-number", BAD, r"added_tokens", put("added_tokens", 7))
# Of a model whose answers have text in them, and whose class leaves the decoder as it is.
for name, kind, pattern, decoder in [
    ("ctc", UNSUPPORTED, r'"CTC".*WordPiece', {"type": "CTC", "pad_token": "a", "word_delimiter_token": "|", "cleanup": True}),
    ("ctc-later", UNSUPPORTED, r'"CTC"', {"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "CTC"}]}),
    ("nine", UNSUPPORTED, r'"Fuse".*up to 8', {"type": "Sequence", "decoders": [{"type": "Fuse"}] * 9}),
    ("expression", UNSUPPORTED, r'"Replace"', {"type": "Replace", "pattern": {"Regex": r"(a)\1"}, "content": "b"}),
    ("long", UNSUPPORTED, r'"Replace"', {"type": "Replace", "pattern": {"String": "a"}, "content": "b" * 17}),
    ("no-list", BAD, r"decoders", {"type": "Sequence", "decoders": {}}),
    ("no-type", BAD, r"decoder", {"type": "Sequence", "decoders": [{}]}),
    ("no-suffix", BAD, r"suffix", {"type": "BPEDecoder", "suffix": ""}),
    ("strip-negative", BAD, r"stop", {"type": "Strip", "content": "a", "start": 1, "stop": -1}),
]:  # fmt: skip
    add_tokenizer(f"decoder-{name}", kind, pattern, put("decoder", decoder), "tasks/modernbert-mlm")
add_tokenizer("template-unknown-token", BAD, r"post_processor|\[CLS\]", put("post_processor", "special_tokens", {}))
for name, content in {
    "empty": b"",
    "cut": b'{"version": "1.0", "model": {"type": "WordPiece", "voc',
    "a-list": b"[]",
    "deep": b"[" * DEEP + b"]" * DEEP,
    "not-utf8": b'{"model": {"type": "WordPiece\xff"}}',
    "of-zeros": b"\0" * 4096,
}.items():
    add(f"tokenizer-{name}", BAD, r"tokenizer\.json", replace("tokenizer.json", content))
SPECIAL = b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"
for name, pattern, content in [
    ("empty", r"vocab", b""),
    ("not-utf8", r"vocab\.txt", SPECIAL + b"\xff\xfe\n"),
    ("without-unknown", r"\[UNK\]", SPECIAL.replace(b"[UNK]", b"a")),
]:
    add(f"vocab-txt-{name}", BAD, pattern, replace("vocab.txt", content), "distilbert-vocab")
add(
    "tokenizer-config-unknown-token-missing", BAD, r"\[GONE\]",
    lambda files: change(files, "tokenizer_config.json", {"unk_token": "[GONE]"}),
)  # fmt: skip
add(
    "tokenizer-config-mask-with-nul", UNSUPPORTED, r"\"mask_token\" has a NUL in it",
    lambda files: change(files, "tokenizer_config.json", {"mask_token": "[MASK]\0"}),
)  # fmt: skip
add("tokenizer-config-cut", BAD, r"tokenizer_config\.json", replace("tokenizer_config.json", b'{"do_lower'))
add("tokenizer-config-a-list", BAD, r"tokenizer_config\.json", replace("tokenizer_config.json", b"[]"))


def write_all(out: Path) -> list[Case]:
    """Writes every case's directory below `out` and the list of them. Returns the cases."""
    for case in CASES:
        base = GOLDEN / (case.base if "/" in case.base else f"models/{case.base}")
        files = {path.name: path.read_bytes() for path in base.iterdir() if path.name != "golden.jsonl"}
        case.edit(files)
        directory = out / case.name
        directory.mkdir(parents=True)
        for name, content in files.items():
            if content is FOLDER:
                (directory / name).mkdir()
            elif content is PIPE:
                os.mkfifo(directory / name)
            else:
                (directory / name).write_bytes(content)
    lines = "".join(f"{case.name}\t{case.kind}\t{case.pattern}\n" for case in CASES)
    (out / "cases.tsv").write_text(lines, encoding="utf-8")
    return CASES


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(len(write_all(Path(sys.argv[1]))), "models")
