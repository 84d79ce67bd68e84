"""Settings, facts and submissions for the domain's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from palmares.leaderboard.settings import Settings, load_settings
from palmares.leaderboard.submissions.model_facts import ModelFacts
from palmares.leaderboard.submissions.submission import Submission

from tests.fixtures.config import CONFIG_DIR
from tests.palmares.leaderboard.results_folder import write_results

# A loaded machine is no failure: neither slow generation nor one slow example.
hypothesis_settings.register_profile(
    "domain", deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("domain")

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="session")
def settings() -> Settings:
    return load_settings(CONFIG_DIR)


@pytest.fixture
def make_facts() -> Callable[..., ModelFacts]:
    def make(**changes: Any) -> ModelFacts:
        config = {
            "architectures": ["LlamaForCausalLM"],
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "intermediate_size": 128,
            "vocab_size": 512,
            "max_position_embeddings": 512,
        }
        values: dict[str, Any] = {
            "model_id": "org/model",
            "commit": COMMIT,
            "config": config,
            "weights_bytes": 280_000,
            "weights_format": "safetensors",
            "parameters": 140_000,
            "architectures": ("LlamaForCausalLM",),
            "license": "apache-2.0",
            "likes": 3,
            "has_chat_template": True,
            "custom_code": False,
        }
        return ModelFacts(**{**values, **changes})

    return make


@pytest.fixture
def make_submission() -> Callable[..., Submission]:
    def make(**changes: Any) -> Submission:
        values: dict[str, Any] = {
            "request_path": "org/model_eval_request_False_bfloat16_Original.json",
            "blob_oid": "oid",
            "model_id": "org/model",
            "revision": COMMIT,
            "requested_revision": "main",
            "precision": "bfloat16",
            "weight_type": "Original",
            "use_chat_template": True,
            "submitted_time": "2026-01-02T03:04:05+00:00",
            "suite": "fr",
            "suite_hash": "suite-hash",
            "backend": "hf",
            "seed": 42,
            "evaluator_version": "1",
        }
        return Submission(**{**values, **changes})

    return make


@pytest.fixture
def results_folder(tmp_path: Path, settings: Settings, make_submission: Callable[..., Submission]) -> Path:
    """A whole results folder of ``make_submission()``."""
    return write_results(tmp_path / "raw", make_submission(), settings.suite())
