"""Write the list of architectures that transformers loads without code from the model's repository.

Run it in the evaluator's environment, when its transformers changes:

    cd include/palmares
    python -m palmares.evaluator.native_architectures > leaderboard/submissions/native_architectures.py
"""

from __future__ import annotations

import json

HEADER = '''"""Architectures that transformers loads by itself; `evaluator.native_architectures` writes it."""

from __future__ import annotations

'''


def native_architectures() -> dict[str, list[str]]:
    """Return the classes that generate text, by the ``model_type`` of config.json."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    )

    found: dict[str, set[str]] = {}
    for names in (MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES):
        for model_type, classes in names.items():
            found.setdefault(model_type, set()).update([classes] if isinstance(classes, str) else classes)
    return {model_type: sorted(found[model_type]) for model_type in sorted(found)}


def source() -> str:
    """Return the module's source for the transformers that is installed here."""
    import transformers

    lines = [
        f"    {json.dumps(model_type)}: ({', '.join(json.dumps(name) for name in classes)},),"
        for model_type, classes in native_architectures().items()
    ]
    return (
        f'{HEADER}TRANSFORMERS = "{transformers.__version__}"\n'
        '"""The version that the list was read from."""\n\n'
        "NATIVE_ARCHITECTURES: dict[str, tuple[str, ...]] = {\n" + "\n".join(lines) + "\n}\n"
        '"""Classes by the ``model_type`` of config.json."""\n'
    )


if __name__ == "__main__":
    print(source(), end="")
