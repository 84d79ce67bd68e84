"""An Airflow provider for ClearML: hook, operators, triggers and links, of use to any project with a ClearML server."""

from __future__ import annotations

__version__ = "0.1.0"


def get_provider_info() -> dict[str, object]:
    """Describe the provider to Airflow (entry point ``apache_airflow_provider``)."""
    return {
        "package-name": "palmares",
        "name": "ClearML",
        "description": __doc__,
        "versions": [__version__],
    }
