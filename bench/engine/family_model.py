"""A model of a family's published shape, cut to a few layers, with random weights.

    family_model.py FAMILY DIRECTORY    -> the directory in Hugging Face form

Where bench/peers/onnx/export.py does not write the family, torch does: model.onnx, ids [batch, tokens] -> logits. Wants torch and
transformers, and for torch's export the onnx package. Biases are random too, for a model with zeros for them
would hide what an engine leaves out.
"""

import shutil
import sys
from pathlib import Path

import torch
import transformers

ROOT = Path(__file__).resolve().parents[2]
BASE = dict(vocab_size=30522, num_hidden_layers=6)  # of base shape otherwise: 768 wide, 12 heads, 3072 within
PADDED = dict(BASE, max_position_embeddings=514, type_vocab_size=1)

WRITTEN = {"bert", "distilbert", "roberta", "xlm-roberta", "camembert", "electra", "albert"}  # by export.py
FAMILIES = {
    "bert": lambda: transformers.BertConfig(**BASE),
    "distilbert": lambda: transformers.DistilBertConfig(vocab_size=30522),
    "roberta": lambda: transformers.RobertaConfig(**PADDED),
    "xlm-roberta": lambda: transformers.XLMRobertaConfig(**PADDED),
    "camembert": lambda: transformers.CamembertConfig(**PADDED),
    "electra": lambda: transformers.ElectraConfig(vocab_size=30522),  # ELECTRA-small
    "mpnet": lambda: transformers.MPNetConfig(**BASE, max_position_embeddings=514),
    "deberta-v2": lambda: transformers.DebertaV2Config(  # DeBERTa-v3-small
        **BASE, hidden_size=768, num_attention_heads=12, intermediate_size=3072, relative_attention=True, position_buckets=256,
        norm_rel_ebd="layer_norm", share_att_key=True, pos_att_type=["p2c", "c2p"], position_biased_input=False, type_vocab_size=0,
        max_relative_positions=-1,
    ),  # fmt: skip
    "modernbert": lambda: transformers.ModernBertConfig(**BASE, pad_token_id=0, max_position_embeddings=512),
    "nomic_bert": lambda: transformers.NomicBertConfig(**BASE),
    "albert": lambda: transformers.AlbertConfig(
        **BASE, hidden_size=768, num_attention_heads=12, intermediate_size=3072
    ),
}


class Logits(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids):
        return self.model(input_ids=ids).logits


def make(family, directory):
    torch.manual_seed(0)
    model = transformers.AutoModelForSequenceClassification.from_config(
        FAMILIES[family](), dtype=torch.float32, attn_implementation="eager"
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("bias"):
                weight.normal_(0, 0.02)
    model.eval().save_pretrained(directory)
    for name in ("tokenizer.json", "tokenizer_config.json"):  # a vocabulary of the same size
        shutil.copy(ROOT / "models/sst2-minilm" / name, directory)
    return model


def export(model, path):
    ids = torch.randint(1000, 30000, (2, 200))  # a trace of a short text would leave out local attention's window
    axes = {"ids": {0: "batch", 1: "tokens"}, "logits": {0: "batch"}}
    with torch.no_grad():
        torch.onnx.export(Logits(model), (ids,), path, input_names=["ids"], output_names=["logits"], dynamic_axes=axes,
                          opset_version=17, dynamo=False)  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in FAMILIES:
        sys.exit(f"{__doc__}\nfamilies: {', '.join(FAMILIES)}")
    target = Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    model = make(sys.argv[1], target)
    if sys.argv[1] not in WRITTEN:
        export(model, target / "model.onnx")
