"""Directories of sentence-transformers' form for sparse embeddings, put together of what the golden files share."""
import json
import shutil
from pathlib import Path

GOLDEN = Path(__file__).resolve().parent / "golden"
FORMS = GOLDEN / "sparse" / "forms"


def write_form(name, directory):
    """The model that the form names, with the form's files beside it."""
    model = json.loads((FORMS / name / "form.json").read_text())["model"]
    shutil.copytree(GOLDEN / "tasks" / model, directory)
    shutil.copytree(FORMS / name, directory, dirs_exist_ok=True)
    return directory
