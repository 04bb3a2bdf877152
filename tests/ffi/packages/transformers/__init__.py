"""A package of transformers' shape without a model in it: its pipelines return what can be told from the text alone, in the
shapes of the real ones (transformers 5.24). "label" is the text, "score" its length, "batch" how many came in one call."""
import json
import os
import types

__version__ = "5.24.0"


def _disable_progress_bar():
    print("on standard output, at import")


utils = types.SimpleNamespace(logging=types.SimpleNamespace(disable_progress_bar=_disable_progress_bar))


class AutoConfig:
    @staticmethod
    def from_pretrained(model, trust_remote_code=False, revision="main"):
        path = os.path.join(model, "config.json")
        if not os.path.isfile(path):
            raise OSError(f"{model} is not a local folder and is not a valid model identifier at revision {revision}")
        with open(path) as file:
            values = json.load(file)
        if values.get("auto_map") and not trust_remote_code:
            raise ValueError("loading this model requires you to set the option `trust_remote_code=True`")
        values["id2label"] = {int(key): label for key, label in values.get("id2label", {}).items()}
        return types.SimpleNamespace(**values)


class Tensor:
    def __init__(self, values):
        self.values = values

    def tolist(self):
        return self.values


class Pipeline:
    def __init__(self, task, model, device, **_):
        self.task, self.device = task, device
        self.model = types.SimpleNamespace(config=AutoConfig.from_pretrained(model, True), dtype="torch.float32")
        self.tokenizer = types.SimpleNamespace(model_max_length=64, mask_token="[MASK]")

    def _one(self, text, count, parameters):
        if not isinstance(text, (str, dict)):
            raise ValueError(f"inputs of type {type(text).__name__}")
        if isinstance(text, str) and "raise" in text:
            raise RuntimeError(f"cannot compute {text}")
        if self.task == "zero-shot-classification":
            return {"sequence": text, "labels": parameters["candidate_labels"], "scores": Tensor([0.5])}
        if self.task == "feature-extraction":
            return Tensor([[[float(len(text))]]])
        row = {"label": text, "score": Tensor(len(text) / 64), "batch": count}
        if "truncation" in parameters:
            row["truncation"] = parameters["truncation"]
        many = self.task in ("token-classification", "fill-mask") or "top_k" in parameters
        return [row] if many else row

    def __call__(self, inputs, batch_size=1, **parameters):
        if isinstance(inputs, list):
            results = [self._one(text, batch_size, parameters) for text in inputs]
            return results[0] if self.task == "fill-mask" and len(inputs) == 1 else results
        result = self._one(inputs, 1, parameters)
        if self.task == "text-classification" and isinstance(inputs, str) and "top_k" not in parameters:
            return [result]
        return result


def pipeline(task, **arguments):
    return Pipeline(task, **arguments)
