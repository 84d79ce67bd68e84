"""Loads a model once into the engine that will answer for every task: transformers or vLLM."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from palmares.evaluator.failures import EvaluationFailure, resources
from palmares.evaluator.model_source import ModelSource
from palmares.evaluator.settings import JobSettings

_MESSAGE_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """An lm-eval model, ready to answer."""

    lm: Any
    parameters: int | None
    """None: the engine does not say."""
    chat_template_sha256: str | None
    """None: no chat template is applied."""
    description: dict[str, Any]
    """Engine arguments, as recorded in results."""


def load_model(settings: JobSettings, source: ModelSource) -> LoadedModel:
    """Load with the backend that the job names.

    Raises:
        EvaluationFailure: ``incompatible``, ``bad_model`` or ``out_of_memory``.
    """
    try:
        config, tokenizer = _read_config(source), _read_tokenizer(source)
        template = _template_hash(settings, source, tokenizer)
        if settings.backend == "vllm":
            lm, arguments, parameters = _vllm(settings, source, config)
        else:
            lm, arguments, parameters = _transformers(settings, source, config, tokenizer)
    except EvaluationFailure:
        raise
    except Exception as error:
        if (known := resources(error, while_doing=f"loading {source.model}")) is not None:
            raise known from error
        raise
    return LoadedModel(
        lm=lm,
        parameters=parameters,
        chat_template_sha256=template,
        description={"model": settings.backend, **arguments},
    )


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:_MESSAGE_CHARACTERS]}"


def _blame_no_model(error: Exception) -> None:
    """Let pass what `load_model` tells from the machine: a full disk is no damaged file."""
    if resources(error, while_doing="") is not None:
        raise error


def _read_config(source: ModelSource) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(source.folder, trust_remote_code=False)
    except (ValueError, KeyError, ImportError) as error:
        if isinstance(error, ValueError) and ("JSON" in str(error) or "json" in type(error).__name__.lower()):
            raise EvaluationFailure("bad_model", f"{source.model}: config.json: {_short(error)}") from error
        raise EvaluationFailure(
            "incompatible", f"{source.model}: this evaluator does not know the architecture. {_short(error)}"
        ) from error
    except Exception as error:
        _blame_no_model(error)
        raise EvaluationFailure("bad_model", f"{source.model}: config.json: {_short(error)}") from error


def _read_tokenizer(source: ModelSource) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(source.folder, trust_remote_code=False)
    except Exception as error:
        _blame_no_model(error)
        raise EvaluationFailure(
            "bad_model", f"{source.model}: the tokenizer cannot be loaded. {_short(error)}"
        ) from error


def _template_hash(settings: JobSettings, source: ModelSource, tokenizer: Any) -> str | None:
    if not settings.use_chat_template:
        return None
    try:
        template = tokenizer.get_chat_template()
        tokenizer.apply_chat_template(
            [{"role": "user", "content": "?"}], tokenize=False, add_generation_prompt=True
        )
    except Exception as error:
        raise EvaluationFailure(
            "incompatible",
            f"{source.model} has no chat template that works. Add one to the tokenizer, or submit with "
            f"use_chat_template false. {_short(error)}",
        ) from error
    return hashlib.sha256(str(template).encode()).hexdigest()


def _context_length(settings: JobSettings, config: Any) -> int:
    """Tokens of prompt and answer together: what the job asks for, never beyond what the model says."""
    text = config.get_text_config()
    own = getattr(text, "max_position_embeddings", None) or getattr(text, "n_positions", None)
    lengths = [length for length in (settings.max_model_length, own) if length]
    return int(min(lengths)) if lengths else 2048


def _transformers(
    settings: JobSettings, source: ModelSource, config: Any, tokenizer: Any
) -> tuple[Any, dict[str, Any], int]:
    import torch
    import transformers
    from lm_eval.api.registry import get_model

    is_seq2seq = settings.backend == "hf-seq2seq"
    kind = transformers.AutoModelForSeq2SeqLM if is_seq2seq else transformers.AutoModelForCausalLM
    if (
        type(config) not in kind._model_mapping
    ):  # What from_pretrained checks first, before any weight is read.
        raise EvaluationFailure(
            "incompatible",
            f"{source.model}: {type(config).__name__} is no model for backend {settings.backend!r}.",
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = settings.dtype if settings.dtype == "auto" else getattr(torch, settings.dtype)
    try:
        model, loading = kind.from_pretrained(
            source.folder,
            config=config,
            dtype=dtype,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
        model = model.to(device).eval()
    except Exception as error:
        _blame_no_model(error)
        raise EvaluationFailure(
            "bad_model", f"{source.model}: the weights cannot be loaded. {_short(error)}"
        ) from error
    _check_weights(source, model, loading)
    context = _context_length(settings, config)
    batch_rows = settings.batch_size or (8 if device == "cuda" else 16)
    lm = get_model("hf")(
        pretrained=model,
        tokenizer=tokenizer,
        backend="seq2seq" if is_seq2seq else "causal",
        max_length=context,
        batch_size=batch_rows,
    )
    arguments = {
        "pretrained": source.model,
        "revision": source.revision,
        "dtype": settings.dtype,
        "max_length": context,
        "batch_size": batch_rows,
        "device": device,
    }
    return lm, arguments, int(model.num_parameters())


def _check_weights(source: ModelSource, model: Any, loading: Any) -> None:
    """Refuse weights that transformers would have filled with random numbers, or that hold no numbers.

    Raises:
        EvaluationFailure: ``bad_model``.
    """
    import torch

    missing = sorted(loading.get("missing_keys") or [])
    mismatched = sorted(str(key) for key in loading.get("mismatched_keys") or [])
    if missing or mismatched:
        raise EvaluationFailure(
            "bad_model",
            f"{source.model}: the weights do not match config.json: {len(missing)} missing {missing[:3]}, "
            f"{len(mismatched)} of another shape {mismatched[:3]}.",
        )
    for name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise EvaluationFailure("bad_model", f"{source.model}: {name} holds NaN or infinity.")


def vllm_arguments(settings: JobSettings, source: ModelSource, context: int) -> dict[str, Any]:
    """What lm-eval's vLLM backend is given; keys that it does not know go to the engine unchanged."""
    arguments: dict[str, Any] = {
        "pretrained": source.repository,
        "dtype": settings.dtype,
        "max_model_len": context,  # lm-eval needs a number: -1 and "auto" crash.
        "tensor_parallel_size": settings.tensor_parallel_size,
        "pipeline_parallel_size": settings.pipeline_parallel_size,
        "gpu_memory_utilization": settings.gpu_memory_utilization,
        "enforce_eager": settings.enforce_eager,
        "trust_remote_code": False,
        "batch_size": "auto",
        "seed": settings.seed,
    }
    if not source.is_local:
        # `revision` does not cover the tokenizer.
        arguments |= {"revision": source.revision, "tokenizer_revision": source.revision}
    if settings.placement.max_num_seqs:
        arguments["max_num_seqs"] = settings.placement.max_num_seqs
    if settings.nb_nodes > 1:
        arguments["distributed_executor_backend"] = "ray"
    return arguments


def _vllm(settings: JobSettings, source: ModelSource, config: Any) -> tuple[Any, dict[str, Any], None]:
    from lm_eval.api.registry import get_model

    arguments = vllm_arguments(settings, source, _context_length(settings, config))
    try:
        lm = get_model("vllm")(**arguments)
    except ModuleNotFoundError as error:
        raise EvaluationFailure(
            "evaluator_error",
            "vLLM is not installed here. Install requirements-evaluator.txt, or plan backend hf.",
        ) from error
    except Exception as error:
        _blame_no_model(error)
        if "not supported" in str(error) and "architectures" in str(error):
            raise EvaluationFailure(
                "incompatible", f"{source.model}: vLLM does not serve it. {_short(error)}"
            ) from error
        raise EvaluationFailure(
            "evaluator_error", f"vLLM did not start for {source.model}. {_short(error)}"
        ) from error
    return lm, arguments, None
