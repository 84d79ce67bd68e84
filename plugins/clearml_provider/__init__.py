"""An Airflow provider for ClearML: hook, operators, sensor, triggers and links, for any ClearML server."""

from __future__ import annotations

__version__ = "0.1.0"

_ENTRY_POINT = "clearml_provider:get_provider_info"
_OPERATORS = ("tasks", "wait", "fetch")


def _distribution() -> str:
    """Name of the installed distribution that brings the provider: Airflow refuses any other as its name.

    It comes alone, as its own wheel, or as part of a project. Installed both ways Airflow finds it twice, and
    stops: install one.
    """
    from importlib.metadata import entry_points

    found = [e.dist.name for e in entry_points(group="apache_airflow_provider", value=_ENTRY_POINT) if e.dist]
    return found[0].lower().replace("_", "-") if found else "airflow-provider-clearml"


def get_provider_info() -> dict[str, object]:
    """Describe the provider to Airflow (entry point ``apache_airflow_provider``)."""
    return {
        "package-name": _distribution(),
        "name": "ClearML",
        "description": __doc__,
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": "ClearML",
                "external-doc-url": "https://clear.ml/docs/",
                "tags": ["software"],
            }
        ],
        "operators": [
            {
                "integration-name": "ClearML",
                "python-modules": [f"clearml_provider.operators.{module}" for module in _OPERATORS],
            }
        ],
        "sensors": [{"integration-name": "ClearML", "python-modules": ["clearml_provider.sensors"]}],
        "hooks": [{"integration-name": "ClearML", "python-modules": ["clearml_provider.hook"]}],
        "triggers": [
            {
                "integration-name": "ClearML",
                "python-modules": ["clearml_provider.triggers"],
            }
        ],
        "extra-links": [
            "clearml_provider.links.ClearMLTaskLink",
            "clearml_provider.links.ClearMLLogLink",
            "clearml_provider.links.ClearMLQueuesLink",
        ],
        "connection-types": [
            {
                "connection-type": "clearml",
                "hook-class-name": "clearml_provider.hook.ClearMLHook",
                "hook-name": "ClearML",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "port"],
                    "relabeling": {
                        "host": "API server",
                        "login": "Access key",
                        "password": "Secret key",
                    },
                    "placeholders": {"host": "https://api.clearml.example.org"},
                },
                "conn-fields": {
                    "files_host": {
                        "label": "File server",
                        "description": "Empty: as the API server, with files. for api., 8081 for 8008.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "web_host": {
                        "label": "Web server",
                        "description": "Empty: as the API server, with app. for api., 8080 for 8008.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "verify_tls": {
                        "label": "Verify TLS certificates",
                        "schema": {"type": ["boolean", "null"], "default": True},
                    },
                    "ca_file": {
                        "label": "CA file",
                        "description": "PEM file on every machine of Airflow; empty: the system's.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "timeout_s": {
                        "label": "Time-out of one request",
                        "description": "Seconds.",
                        "schema": {"type": ["number", "null"], "default": 30},
                    },
                    "retry_budget_s": {
                        "label": "Time-out of a call with its retries",
                        "description": "Seconds; a Retry-After beyond them ends the call at once.",
                        "schema": {"type": ["number", "null"], "default": 60},
                    },
                },
            }
        ],
    }
