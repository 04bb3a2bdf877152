"""Run by the interpreter that has torch: what sentence-transformers makes of models' golden texts, as one JSON object.

    python encode.py PACKAGES [MODEL GOLDEN]...
"""

import json
import sys

sys.path.append(sys.argv[1])  # after the interpreter's own, whose torch and transformers are the oracle's

import torch  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402

torch.set_num_threads(1)
embeddings = {}
for directory, golden in zip(sys.argv[2::2], sys.argv[3::2]):
    model = SentenceTransformer(directory, device="cpu", model_kwargs={"dtype": torch.float32}, local_files_only=True)
    with open(golden, encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    embeddings[directory] = model.encode(texts, batch_size=1, show_progress_bar=False).tolist()
print(json.dumps(embeddings))
