"""Writes tests/golden/sparse: the sparse embeddings (SPLADE) that masked language models should give.

    python tools/make_sparse.py

Of each masked language model that tools/make_tasks.py has made: logits of `transformers` in float32, one text at a time,
and of these log(1 + max(logit, 0)), the largest over a text's tokens. Of the directories in sparse/forms, which are such a
model with the files of sentence-transformers beside it: what its SparseEncoder gives (tools/sentence-transformers).
"""

import importlib.metadata
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from make_golden import GOLDEN, most_tokens, write_json, write_rows

TASKS, ROOT = GOLDEN / "tasks", GOLDEN / "sparse"
PACKAGES = Path(os.environ.get("LINNET_ST_PACKAGES", Path.home() / ".cache/linnet/st-packages"))
TEXTS = [
    "",
    "good",
    "The staff at the new train station were kind, but the food was awful.",
    "unbreakable happiness; slowly, slower -- slowest!",
    "\u6211\u7231\u4f60 film \U0001f600 (\u30cf\u3099\u30d1) Caf\u00e9 na\u00efve",
    "[CLS] typed [SEP] in [MASK] <s> and </s>",
    "never " * 200 + "good",
]
PROMPTS = {"query": "query: ", "document": ""}
OF_MODELS = "sentence_transformers.sparse_encoder.models"
# The form of versions 5.0 to 5.3, written out; and that of the installed one, which writes it.
OLD = {
    "modules.json": [{"idx": 0, "name": "0", "path": "", "type": f"{OF_MODELS}.MLMTransformer"},
                     {"idx": 1, "name": "1", "path": "1_SpladePooling", "type": f"{OF_MODELS}.SpladePooling"}],
    "1_SpladePooling/config.json": {"pooling_strategy": "max", "activation_function": "relu", "word_embedding_dimension": None},
    "sentence_bert_config.json": {"max_seq_length": 20, "do_lower_case": False},
    "config_sentence_transformers.json": {"model_type": "SparseEncoder", "prompts": PROMPTS, "default_prompt_name": "query",
                                          "similarity_fn_name": "dot"},
}
FORMS = {"old": "distilbert-mlm", "new-sum": "bert-mlm", "new-log1p": "mpnet-mlm"}
NEW = {"new-sum": {"pooling_strategy": "sum"}, "new-log1p": {"pooling_strategy": "max", "activation_function": "log1p_relu"}}
KEPT = ["modules.json", "1_SpladePooling/config.json", "sentence_bert_config.json", "config_sentence_transformers.json"]


def numbers(row):
    """[[index, value], ...] of those that are not 0."""
    return [[index, float(f"{value:.9g}")] for index, value in enumerate(row.tolist()) if value != 0]


class Oracle:
    def __init__(self, directory):
        self.model = transformers.AutoModelForMaskedLM.from_pretrained(directory, dtype=torch.float32).eval()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
        self.limit = min(self.tokenizer.model_max_length, most_tokens(self.model.config))

    def embed(self, encoding, dtype):
        self.model.to(dtype)
        with torch.no_grad():
            return torch.log1p(torch.relu(self.model(**encoding).logits[0])).amax(0)

    def row(self, text):
        encoding = self.tokenizer(text, return_tensors="pt", truncation=True, max_length=self.limit)
        exact, row = self.embed(encoding, torch.float64), self.embed(encoding, torch.float32)
        # These random models magnify float32's own rounding, which is why the exact values are there to compare with.
        assert (row - exact).abs().max() <= 1.5e-5 * (1 + exact.abs().max()), text
        return {"text": text, "ids": encoding["input_ids"][0].tolist(), "sparse": numbers(row)}


def make_models():
    for directory in sorted(TASKS.glob("*-mlm")):
        oracle = Oracle(directory)
        rows = [oracle.row(text) for text in TEXTS]
        zeros = [1 - len(row["sparse"]) / oracle.model.config.vocab_size for row in rows]
        assert max(zeros) > 0.1 and min(zeros) < 0.9, (directory.name, zeros)
        write_rows(ROOT / f"{directory.name}.jsonl", rows)


def write_form(name, directory):
    """Files of sentence-transformers beside a copy of the model."""
    shutil.copytree(TASKS / FORMS[name], directory, ignore=shutil.ignore_patterns("golden.jsonl"))
    if name == "old":
        (directory / "1_SpladePooling").mkdir()
        for file, value in OLD.items():
            write_json(directory / file, value)
        return
    from sentence_transformers import SparseEncoder
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    modules = [Transformer(str(directory), transformer_task="fill-mask"), SpladePooling(**NEW[name])]
    written = directory.parent / "written"
    SparseEncoder(modules=modules, device="cpu", prompts=PROMPTS).save_pretrained(str(written), create_model_card=False)
    (directory / "1_SpladePooling").mkdir()
    for file in KEPT:
        value = json.loads((written / file).read_text(encoding="utf-8"))
        value.pop("__version__", None) if isinstance(value, dict) else None
        write_json(directory / file, value)


def make_forms():
    sys.path.append(str(PACKAGES))
    from sentence_transformers import SparseEncoder

    for name in FORMS:
        out = ROOT / "forms" / name
        shutil.rmtree(out, ignore_errors=True)
        (out / "1_SpladePooling").mkdir(parents=True)
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder) / "model"
            write_form(name, directory)
            encoder = SparseEncoder(str(directory), device="cpu", model_kwargs={"dtype": torch.float32})
            rows = []
            for text in TEXTS:
                row = encoder.encode(text, convert_to_sparse_tensor=False, show_progress_bar=False)
                rows.append({"text": text, "sparse": numbers(row)})
            for file in KEPT:
                shutil.copy(directory / file, out / file)
        write_json(out / "form.json", {"model": FORMS[name]})
        write_rows(out / "golden.jsonl", rows)


if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    shutil.rmtree(ROOT, ignore_errors=True)
    (ROOT / "forms").mkdir(parents=True)
    make_models()
    make_forms()
    print(json.dumps({name: importlib.metadata.version(name) for name in ("torch", "transformers")}))
