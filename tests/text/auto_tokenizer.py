"""Prints, as JSON, what transformers' AutoTokenizer makes of the texts in model directories. Run by test_transformers.py
with a Python that has transformers. stdin: {"directories": [...], "cases": [[text, pair or null], ...]}."""

import json
import sys

from transformers import AutoTokenizer


def encode(directory, cases):
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory)
        encoded = [tokenizer(text, pair) for text, pair in cases]
        places = [tokenizer(text, pair, return_offsets_mapping=True)["offset_mapping"] for text, pair in cases]
        decoded = [[tokenizer.decode(item["input_ids"], skip_special_tokens=skip) for skip in (False, True)] for item in encoded]
    except Exception as problem:  # what is asked is whether it can, whatever the reason
        return {"error": f"{type(problem).__name__}: {problem}"}
    return {"encoded": [[item["input_ids"], item.get("token_type_ids")] for item in encoded],
            "offsets": places, "decoded": decoded, "max_length": tokenizer.model_max_length}


request = json.load(sys.stdin)
json.dump([encode(directory, request["cases"]) for directory in request["directories"]], sys.stdout)
