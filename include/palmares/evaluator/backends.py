"""Loads a model once into the engine that will answer for every task: transformers or vLLM."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from palmares.evaluator.failures import LOADING, EvaluationFailure, known_failure
from palmares.evaluator.model_source import ModelSource
from palmares.evaluator.settings import JobSettings
from palmares.evaluator.supervision import SHUTDOWN_S, Supervisor, engine_failure
from palmares.evaluator.weights import CheckedWeights, check_texts, check_weights

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


def load_model(settings: JobSettings, source: ModelSource, supervisor: Supervisor) -> LoadedModel:
    """Load with the backend that the job names; the weights are checked before any engine starts.

    Args:
        settings: The job.
        source: The model's files.
        supervisor: Told of the engine's processes and steps; it stops the engine when the job ends.

    Raises:
        EvaluationFailure: ``incompatible`` or ``bad_model`` for a known fault of the files, else the
            machine's class, or ``evaluator_error``.
    """
    try:
        check_texts(source)
        config = _read_config(settings, source)
        tokenizer = _read_tokenizer(source, config)
        template = _template_hash(settings, source, tokenizer)
        if settings.backend != "vllm":
            _check_class(settings, source, config)
        is_seq2seq = settings.backend == "hf-seq2seq"
        weights = check_weights(source, config, is_seq2seq=is_seq2seq, dtype=settings.dtype)
        if settings.backend == "vllm":
            lm, arguments = _vllm(settings, source, config, weights, supervisor)
        else:
            lm, arguments = _transformers(settings, source, config, tokenizer, supervisor)
    except EvaluationFailure:
        raise
    except Exception as error:
        known = known_failure(error, while_doing=f"loading {source.model}", table=LOADING)
        raise known or EvaluationFailure(
            "evaluator_error",
            f"{source.model} was not loaded, and nothing says that its files are at fault. {_short(error)}",
        ) from error
    return LoadedModel(
        lm=lm,
        parameters=weights.parameters,
        chat_template_sha256=template,
        description={"model": settings.backend, **arguments},
    )


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:_MESSAGE_CHARACTERS]}"


_FAULTS_OF_A_FILE = (ValueError, KeyError, TypeError, AttributeError, IndexError)
"""What a library raises that has read a file and cannot use it; any other error may be the machine's."""


def _is_unknown(error: Exception) -> bool:
    """Whether no signature knows the error: then it is about the file, if of a type that files cause."""
    return known_failure(error, while_doing="", table=LOADING) is None


def _read_config(settings: JobSettings, source: ModelSource) -> Any:
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(source.folder, trust_remote_code=False)
    except (*_FAULTS_OF_A_FILE, StrictDataclassError, ImportError) as error:
        if settings.backend == "vllm" and (known := _config_of_vllm(source)) is not None:
            return known
        if isinstance(error, ImportError) or not _is_unknown(error):
            raise
        raise EvaluationFailure(
            "incompatible", f"{source.model}: this evaluator does not know the architecture. {_short(error)}"
        ) from error


def _config_of_vllm(source: ModelSource) -> Any:
    """The configuration of a model type that vLLM's registry has and transformers' has not; None: neither."""
    try:
        from vllm.transformers_utils.config import get_config  # type: ignore[import-not-found, unused-ignore]

        return get_config(str(source.folder), trust_remote_code=False)
    except (ValueError, KeyError, ImportError, OSError):
        return None


def _read_tokenizer(source: ModelSource, config: Any) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(source.folder, trust_remote_code=False)
    except Exception as error:
        is_files = (
            isinstance(error, _FAULTS_OF_A_FILE) or type(error) is Exception
        )  # tokenizers raises no other
        if not is_files or not _is_unknown(error):
            raise
        raise EvaluationFailure(
            "bad_model", f"{source.model}: the tokenizer cannot be loaded. {_short(error)}"
        ) from error
    rows = getattr(config.get_text_config(), "vocab_size", None)
    highest = max(tokenizer.get_vocab().values(), default=-1)
    if isinstance(rows, int) and highest >= rows:
        raise EvaluationFailure(
            "bad_model",
            f"{source.model}: its tokenizer has token {highest}, and its embedding {rows} rows. Resize the "
            "embedding, or remove the tokens.",
        )
    return tokenizer


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


def _check_class(settings: JobSettings, source: ModelSource, config: Any) -> None:
    """Check that the config is one of the backend's and describes a model, before any weight is read."""
    import torch
    import transformers

    is_seq2seq = settings.backend == "hf-seq2seq"
    kind = transformers.AutoModelForSeq2SeqLM if is_seq2seq else transformers.AutoModelForCausalLM
    if type(config) not in kind._model_mapping:
        raise EvaluationFailure(
            "incompatible",
            f"{source.model}: {type(config).__name__} is no model for backend {settings.backend!r}.",
        )
    try:
        with torch.device("meta"):
            kind.from_config(config)
    except _FAULTS_OF_A_FILE as error:
        if not _is_unknown(error):
            raise
        raise EvaluationFailure(
            "incompatible",
            f"{source.model}: config.json describes no model that can be built. {_short(error)}",
        ) from error


def _transformers(
    settings: JobSettings, source: ModelSource, config: Any, tokenizer: Any, supervisor: Supervisor
) -> tuple[Any, dict[str, Any]]:
    import torch
    import transformers
    from lm_eval.api.registry import get_model

    is_seq2seq = settings.backend == "hf-seq2seq"
    kind = transformers.AutoModelForSeq2SeqLM if is_seq2seq else transformers.AutoModelForCausalLM
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = settings.dtype if settings.dtype == "auto" else getattr(torch, settings.dtype)
    model = kind.from_pretrained(
        source.folder, config=config, dtype=dtype, trust_remote_code=False, use_safetensors=True
    )
    model = model.to(device).eval()
    model.register_forward_hook(lambda *_: supervisor.progress())
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
    return lm, arguments


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


def _vllm(
    settings: JobSettings,
    source: ModelSource,
    config: Any,
    weights: CheckedWeights,
    supervisor: Supervisor,
) -> tuple[Any, dict[str, Any]]:
    from lm_eval.api.registry import get_model

    # A forked process would hold the job's own environment, by which the guardian does not know it.
    os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"
    arguments = vllm_arguments(settings, source, _context_length(settings, config))
    doing = f"starting vLLM for {source.model}"
    try:
        lm = get_model("vllm")(**arguments)
    except ModuleNotFoundError as error:
        if error.name != "vllm":
            raise engine_failure(error, supervisor.output.lines, while_doing=doing) from error
        raise EvaluationFailure(
            "evaluator_error",
            "vLLM is not installed here. Install requirements-evaluator.txt, or plan backend hf.",
        ) from error
    except Exception as error:
        lines = supervisor.output.lines
        if named := _surplus_named(weights, (*lines, str(error))):
            raise EvaluationFailure(
                "bad_model",
                f"{source.model}: the engine has no place for the tensor {named}. Remove it from the files.",
            ) from error
        raise engine_failure(error, lines, while_doing=doing) from error
    _supervise(lm.model, supervisor)
    return lm, arguments


def _surplus_named(weights: CheckedWeights, lines: Iterable[str]) -> str | None:
    """The tensor without a place in the model that the engine failed at; None: it failed otherwise."""
    text = "\n".join(lines)
    for name in weights.surplus:
        if "KeyError" in text and name.split(".")[-2:][0] in text and name.rsplit(".", 1)[-1] in text:
            return name
    return None


def _supervise(llm: Any, supervisor: Supervisor) -> None:
    """Note each step of the engine, and stop it when the job ends."""
    engine = llm.llm_engine
    step = engine.step

    def noted_step(*arguments: Any, **named: Any) -> Any:
        done = step(*arguments, **named)
        supervisor.progress()
        return done

    engine.step = noted_step
    supervisor.stop_with(lambda: engine.engine_core.shutdown(timeout=SHUTDOWN_S / 2))
    supervisor.engine_started()
