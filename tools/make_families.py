"""Writes tests/golden/families: a tiny random model of each encoder family with what `transformers` answers.

    python tools/make_families.py [NAME ...]

Made as tools/make_golden.py makes its own; besides, every tensor and every setting listed here is shown to move the
logits by far more than the bound that linnet is held to, so that none can be read wrongly unseen.
"""

import argparse
import copy
import json
import sys
from pathlib import Path

import make_golden
import torch
import transformers

sys.path.insert(0, str(make_golden.GOLDEN.parent / "text"))
import kinds  # noqa: E402

FAMILIES = make_golden.GOLDEN / "families"
POSITIONS = make_golden.POSITIONS
LEAST_MOVE = 1e-3  # of a logit, when a tensor or a setting is changed: 50 times the bound
SIZES = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48)
FAR = 160  # tokens: farther apart than the buckets of distances reach, and many windows
# The special tokens of these families, spelled in texts. A padding token has a position of its own.
SPELLED = ["<s> typed </s> in <mask>", "<pad> the film <pad><pad> was good <pad>", "<pad>"]

# --- tokenizers ---


def corpus():
    words = make_golden.WORDS
    lines = [" ".join(words[start : start + 7]) + "." for start in range(len(words))]
    return [line.capitalize() if index % 3 else line for index, line in enumerate(lines)] * 4


def charsmap():
    """A few of sentencepiece's replacements: its whole map has megabytes in this form."""
    return kinds.charsmap({"\u00a0": " ", "\u200b": " ", "\ufb01": "fi", "\uff21": "A", "\u00bd": "1/2"})


def unigram(make, size):
    return make(corpus(), size, precompiled=charsmap())


def camembert_pieces(tokenizer):
    """CamemBERT's vocabulary begins with fairseq's own tokens, and <s> and </s> lie further on."""
    state = json.loads(tokenizer.to_str())
    first = [["<s>NOTUSED", 0.0], ["<pad>", 0.0], ["</s>NOTUSED", 0.0], ["<unk>", 0.0], ["<unk>NOTUSED", -100.0]]
    pieces = [piece for piece in state["model"]["vocab"] if piece[0] not in kinds.SPECIALS]
    state["model"].update(vocab=[*first, *pieces, ["<s>", 0.0], ["</s>", 0.0], ["<mask>", 0.0]], unk_id=3)
    state.update(added_tokens=[], post_processor=None)
    return kinds.Tokenizer.from_str(json.dumps(state))


def write_json_tokenizer(directory, tokenizer, class_name, **config):
    tokenizer.save(str(directory / "tokenizer.json"))
    config = {"tokenizer_class": class_name, "model_max_length": int(1e30), **config}
    make_golden.write_json(directory / "tokenizer_config.json", config)
    return tokenizer.get_vocab_size()


def roberta_tokenizer(directory):
    return write_json_tokenizer(directory, kinds.roberta(corpus(), 400), "RobertaTokenizer")


def roberta_vocabulary(directory):
    """As roberta-large-mnli and its like have it: vocab.json and merges.txt."""
    model = json.loads(kinds.roberta(corpus(), 400).to_str())["model"]
    (directory / "vocab.json").write_text(json.dumps(model["vocab"]), encoding="utf-8")
    merges = "".join(f"{left} {right}\n" for left, right in model["merges"])
    (directory / "merges.txt").write_text("#version: 0.2\n" + merges, encoding="utf-8")
    make_golden.write_json(directory / "tokenizer_config.json", {"model_max_length": POSITIONS})
    return len(model["vocab"])


def xlm_roberta_tokenizer(directory):
    return write_json_tokenizer(directory, unigram(kinds.xlm_roberta, 300), "XLMRobertaTokenizer")


def camembert_tokenizer(directory):
    tokenizer = camembert_pieces(unigram(kinds.xlm_roberta, 300))
    return write_json_tokenizer(directory, tokenizer, "CamembertTokenizer")


def albert_tokenizer(directory):
    return write_json_tokenizer(directory, unigram(kinds.albert, 300), "AlbertTokenizer")


def mpnet_tokenizer(directory):
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "[UNK]", *make_golden.vocabulary(False)[5:], "<mask>"]
    (directory / "vocab.txt").write_text("".join(token + "\n" for token in tokens), encoding="utf-8")
    make_golden.write_json(directory / "tokenizer_config.json", {"tokenizer_class": "MPNetTokenizer"})
    return len(tokens)


def deberta_tokenizer(directory):
    specials = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    size = write_json_tokenizer(directory, kinds.deberta_v2(corpus(), 300), "DebertaV2Tokenizer")
    return size + len(specials)  # its class adds those that the file has not


def modernbert_tokenizer(directory):
    return write_json_tokenizer(directory, kinds.modernbert(corpus(), 400), "PreTrainedTokenizerFast")


# --- the families ---


def after_padding(config_class, **changes):
    """A config whose positions begin past padding's, sized so that as many tokens fit as in the other models."""
    values = dict(SIZES, max_position_embeddings=POSITIONS + 2, type_vocab_size=1, layer_norm_eps=1e-5)
    return config_class(**{**values, **changes})


def electra(**changes):
    return transformers.ElectraConfig(**{**SIZES, "embedding_size": 20, "max_position_embeddings": POSITIONS, **changes})


def albert(**changes):
    return transformers.AlbertConfig(**{**SIZES, "embedding_size": 20, "max_position_embeddings": POSITIONS, **changes})


def mpnet(**changes):
    return transformers.MPNetConfig(**{**SIZES, "max_position_embeddings": FAR + 2, **changes})


def deberta(**changes):
    values = dict(
        SIZES, max_position_embeddings=FAR, relative_attention=True, position_buckets=16, max_relative_positions=64,
        norm_rel_ebd="layer_norm", share_att_key=True, pos_att_type="p2c|c2p", position_biased_input=False,
    )  # fmt: skip
    return transformers.DebertaV2Config(**{**values, **changes})


def modernbert(**changes):
    values = dict(SIZES, num_hidden_layers=4, max_position_embeddings=FAR, local_attention=8, num_labels=3)
    special = dict(pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2)
    return transformers.ModernBertConfig(**{**values, **special, **changes})


def nomic(**changes):
    return transformers.NomicBertConfig(**{**SIZES, "max_position_embeddings": FAR, "num_labels": 3, **changes})


BYTE_LEVEL = {"write_tokenizer": roberta_tokenizer, "texts": SPELLED}
XLM = {"write_tokenizer": xlm_roberta_tokenizer, "texts": SPELLED}
CAMEMBERT = {"write_tokenizer": camembert_tokenizer, "texts": SPELLED}
GELU_HEAD = {"output_scale": 0.2}  # which tanh does not bound: logits of the same size as the others'
PIECES = {"write_tokenizer": albert_tokenizer, "texts": ["<pad> the \ufb01lm <pad>"]}
MPNET = {"write_tokenizer": mpnet_tokenizer, "texts": SPELLED}
DEBERTA = {"write_tokenizer": deberta_tokenizer}
MODERNBERT = {"write_tokenizer": modernbert_tokenizer, "output_scale": 0.2}

# name, which begins with the model type: (config, options of make_golden.TINY, settings that must matter).
MODELS = {
    "bert": (make_golden.bert_config(num_labels=3), {}, [{"layer_norm_eps": 0.01}, {"hidden_act": "gelu_new"}]),
    "distilbert": (make_golden.distilbert_config(), {}, [{"activation": "relu"}]),
    "roberta": (
        after_padding(transformers.RobertaConfig, num_labels=3),
        BYTE_LEVEL,
        [{"pad_token_id": 0}, {"layer_norm_eps": 0.01}, {"hidden_act": "relu"}],
    ),
    # Positions from another padding token; token types that no tokenizer of the family gives.
    "roberta-other-padding": (
        after_padding(transformers.RobertaConfig, pad_token_id=0, type_vocab_size=2),
        {"write_tokenizer": roberta_vocabulary, "texts": SPELLED},
        [{"pad_token_id": 1}],
    ),
    "xlm-roberta": (after_padding(transformers.XLMRobertaConfig), XLM, [{"pad_token_id": 0}]),
    "camembert": (after_padding(transformers.CamembertConfig, num_labels=3), CAMEMBERT, [{"pad_token_id": 0}]),
    "electra": (electra(num_labels=3), GELU_HEAD, [{"hidden_act": "gelu_new"}]),
    "electra-same-width": (electra(embedding_size=32), GELU_HEAD, []),
    "albert": (albert(num_labels=3, num_hidden_layers=3), PIECES, [{"hidden_act": "relu"}, {"num_hidden_layers": 2}]),
    "albert-groups": (
        albert(num_hidden_layers=3, num_hidden_groups=2, inner_group_num=2, embedding_size=32, hidden_act="gelu"),
        PIECES,
        [{"num_hidden_layers": 4}],
    ),
    "mpnet": (mpnet(num_labels=3), MPNET, [{"hidden_act": "relu"}]),
    # Whose positions begin past token 1 all the same.
    "mpnet-other-padding": (mpnet(pad_token_id=0), MPNET, []),
    "deberta-v2": (
        deberta(num_labels=3),
        DEBERTA,
        [
            {"max_relative_positions": 128},
            {"pos_att_type": ["c2p"]},
            {"pos_att_type": ["p2c"]},
            {"pooler_hidden_act": "tanh"},
        ],
    ),
    # As the first ones were: projections of their own, exact distances, positions and types among the embeddings.
    "deberta-v2-exact": (
        deberta(
            position_buckets=-1, max_relative_positions=-1, norm_rel_ebd="none", share_att_key=False,
            position_biased_input=True, type_vocab_size=2, max_position_embeddings=48,
        ),
        DEBERTA,
        [],
    ),
    "deberta-v2-queries": (deberta(pos_att_type=["c2p"], norm_rel_ebd="none"), DEBERTA, []),
    "deberta-v2-plain": (
        deberta(relative_attention=False, position_biased_input=True, norm_rel_ebd="none"), DEBERTA, []
    ),
    "modernbert": (
        modernbert(),
        MODERNBERT,
        [
            {"local_attention": 4}, {"classifier_pooling": "mean"}, {"hidden_activation": "relu"},
            {"classifier_activation": "tanh"}, {"norm_eps": 0.01}, {"layer_types": ["full_attention"] * 4},
        ],
    ),
    "modernbert-mean": (
        modernbert(
            classifier_pooling="mean", attention_bias=True, mlp_bias=True, norm_bias=True, classifier_bias=True,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"], num_hidden_layers=3,
            rope_parameters={
                "full_attention": {"rope_type": "default", "rope_theta": 400.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 30.0},
            },
        ),
        MODERNBERT,
        [],
    ),
    "nomic_bert": (nomic(), {"first_names": True}, [{"hidden_act": "gelu"}]),
}

# --- what must matter ---


def logits(model, encodings):
    with torch.no_grad():
        return torch.cat([model(**encoding).logits[0] for encoding in encodings])


# A norm follows these embeddings at once, and takes their scale and shift away.
NORMED = ("word_embeddings.weight", "tok_embeddings.weight", "rel_embeddings.weight")


def has_no_effect(model_type, name):
    """A key's bias adds the same to all scores of a query, and the softmax takes it away."""
    if model_type in ("modernbert", "deberta-v2") and name.endswith(NORMED):
        return True
    return name.endswith(("key.bias", "k_lin.bias", "attn.k.bias", "key_proj.bias"))


def tensors_that_do_not_matter(model, encodings):
    usual = logits(model, encodings)
    for name, weight in model.named_parameters():
        if has_no_effect(model.config.model_type, name):
            continue
        kept = weight.detach().clone()
        with torch.no_grad():
            weight.mul_(0.5).add_(0.05)
        if (logits(model, encodings) - usual).abs().max() < LEAST_MOVE:
            yield name
        with torch.no_grad():
            weight.copy_(kept)


def settings_that_do_not_matter(model, encodings, settings):
    usual = logits(model, encodings)
    for setting in settings:
        config = copy.deepcopy(model.config)
        config.update(setting)
        other = type(model)(config).eval()
        other.load_state_dict(model.state_dict())
        if (logits(other, encodings) - usual).abs().max() < LEAST_MOVE:
            yield setting


def check(directory, settings):
    oracle = make_golden.Oracle(directory)
    rows = make_golden.read_rows(directory / "golden.jsonl")
    encodings = [
        oracle.encode(row["text"], row.get("text_pair"), truncation=True, max_length=oracle.limit) for row in rows
    ]
    idle = [*tensors_that_do_not_matter(oracle.model, encodings)]
    idle += settings_that_do_not_matter(oracle.model, encodings, settings)
    assert not idle, f"{directory.name}: these hardly move the logits: {idle}"
    size = sum(file.stat().st_size for file in directory.iterdir())
    print(f"{directory.name}: every tensor and setting moves the logits; {size // 1024} KiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *MODELS], help="which models to write; all by default")
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for name in parser.parse_args().names or MODELS:
        config, options, settings = MODELS[name]
        make_golden.make_model(FAMILIES / name, config, {"bare_config": True, **options})
        check(FAMILIES / name, settings)


if __name__ == "__main__":
    main()
