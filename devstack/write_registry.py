"""Writes which model classes the installed transformers and vLLM have, as data for the planner.

``python devstack/write_registry.py TRANSFORMERS_FOLDER VLLM_FOLDER`` takes the two packages' folders. It
reads them and does not import them, so any Python will do.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "include" / "palmares" / "leaderboard" / "model_classes.json"
CAUSAL = "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"
IMAGE = "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES"
SEQ2SEQ = "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES"


def assignments(path: Path) -> Iterator[tuple[str, ast.expr]]:
    """Names and values that a module assigns at its top level."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def classes_of(folder: Path, pattern: str, *, without: str = "") -> dict[str, ast.ClassDef]:
    """Every class that the folder's modules define, by name; the file *without* is left out."""
    found: dict[str, ast.ClassDef] = {}
    for path in sorted(path for path in folder.rglob(pattern) if path.name != without):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, node)
    return found


def ancestors(name: str, classes: dict[str, ast.ClassDef]) -> set[str]:
    """Names of a class and of all that it inherits from, as far as *classes* has them."""
    found: set[str] = set()
    left = [name]
    while left:
        one = left.pop()
        if one in found:
            continue
        found.add(one)
        if one in classes:
            left += [base.id for base in classes[one].bases if isinstance(base, ast.Name)]
    return found


def vllm_classes(folder: Path) -> dict[str, Any]:
    """Text and multimodal classes of vLLM's registry, and those that it served once."""
    models = folder / "model_executor" / "models"
    tables = dict(assignments(models / "registry.py"))
    text: dict[str, tuple[str, str]] = ast.literal_eval(tables["_TEXT_GENERATION_MODELS"])
    images: dict[str, tuple[str, str]] = ast.literal_eval(tables["_MULTIMODAL_MODELS"])
    backend: dict[str, tuple[str, str]] = ast.literal_eval(tables["_TRANSFORMERS_SUPPORTED_MODELS"])
    classes = classes_of(models, "*.py", without="config.py")  # its classes bear the models' names
    classes |= classes_of(folder / "models", "*.py")
    served = {}
    for name, (_, kind) in sorted({**text, **images, **backend}.items()):
        above = ancestors(kind, classes)
        traits = [
            trait for trait, mixin in (("pipeline", "SupportsPP"), ("lora", "SupportsLoRA")) if mixin in above
        ]
        served[name] = ["multimodal", *traits] if name in images else traits
    removed = ast.literal_eval(tables["_PREVIOUSLY_SUPPORTED_MODELS"])
    outside = ast.literal_eval(tables["_OOT_SUPPORTED_MODELS"])
    return {"served": served, "removed": sorted({*removed, *outside} - set(served))}


def transformers_classes(folder: Path) -> dict[str, Any]:
    """Model type of each class, and the classes that vLLM's Transformers backend can run."""
    tables = dict(assignments(folder / "models" / "auto" / "modeling_auto.py"))
    classes = classes_of(folder / "models", "modeling_*.py")
    found: dict[str, list[str]] = {}
    for table, kind in ((SEQ2SEQ, "seq2seq"), (IMAGE, "multimodal"), (CAUSAL, "causal")):
        for node in ast.walk(tables[table]):
            if isinstance(node, ast.Tuple) and len(node.elts) == 2:
                model_type, named = (ast.literal_eval(part) for part in node.elts)
                for name in [named] if isinstance(named, str) else named:
                    runs = any(
                        "_supports_attention_backend = True" in ast.unparse(classes[above])
                        for above in ancestors(name, classes)
                        if above in classes
                    )
                    found[name] = [model_type, kind, *(["attention_backend"] if runs else [])]
    return dict(sorted(found.items()))


def version_of(folder: Path) -> str:
    """The version of an installed package, by the folder that lies beside it."""
    beside = sorted(folder.parent.glob(f"{folder.name}-*.dist-info"))
    beside += sorted(folder.parent.glob(f"{folder.name}_*-*.dist-info"))
    return re.sub(r"^[^-]+-|\.dist-info$|\+.*$", "", beside[0].name)


def main(arguments: list[str]) -> None:
    transformers, vllm = map(Path, arguments)
    data = {
        "versions": {"transformers": version_of(transformers), "vllm": version_of(vllm)},
        "vllm": vllm_classes(vllm),
        "transformers": transformers_classes(transformers),
    }
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    TARGET.write_text(re.sub(r"(?<=[\]}]),(?=\")", ",\n", text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
