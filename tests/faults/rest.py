"""REST to embedded services, whoever started them: calls of the ClearML API, and faults on request."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import httpx

Service = Literal["clearml_api", "clearml_files", "hub"]
FAULTY: tuple[Service, ...] = ("clearml_api", "clearml_files", "hub")
START_DEADLINE_S = 60.0


class EmbeddedRest:
    """A client of the embedded services at some addresses; may be shared by threads."""

    def __init__(
        self, urls: Mapping[str, str], *, access_key: str, secret_key: str, faults_token: str
    ) -> None:
        self._urls = dict(urls)
        self._access_key, self._secret_key, self._faults_token = access_key, secret_key, faults_token
        self._http = httpx.Client(timeout=20, trust_env=False)
        self._token: str | None = None

    def url(self, service: str) -> str:
        return self._urls[service]

    def call(self, endpoint: str, **payload: Any) -> dict[str, Any]:
        """One call of the ClearML API; no retry."""
        if self._token is None:
            login = self._http.post(
                f"{self.url('clearml_api')}/auth.login", auth=(self._access_key, self._secret_key)
            )
            self._token = login.raise_for_status().json()["data"]["token"]
        answer = self._http.post(
            f"{self.url('clearml_api')}/{endpoint}",
            json=payload,
            headers={"Authorization": f"Bearer {self._token}"},
        )
        data: dict[str, Any] = answer.raise_for_status().json()["data"]
        return data

    def inject(self, service: Service, faults: Sequence[Mapping[str, Any]]) -> None:
        """Make *faults* the plan of a service."""
        self._control(service, "PUT", json={"faults": [dict(fault) for fault in faults]})

    def injected(self) -> list[str]:
        """What was done since the last `heal`, in words; a server that crashed has forgotten."""
        return [
            f"{one['kind']} on {one['endpoint']}"
            for service in FAULTY
            for one in self._control(service, "GET")["injected"]
        ]

    def heal(self) -> None:
        """End all faults."""
        for service in FAULTY:
            self._control(service, "DELETE")

    def _control(self, service: Service, method: str, **options: Any) -> dict[str, Any]:
        deadline = time.monotonic() + START_DEADLINE_S
        while True:  # it may be starting again
            try:
                answer = self._http.request(
                    method,
                    f"{self.url(service)}/_faults",
                    headers={"Authorization": f"Bearer {self._faults_token}"},
                    **options,
                )
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                report: dict[str, Any] = answer.raise_for_status().json()
                return report

    def close(self) -> None:
        self._http.close()
