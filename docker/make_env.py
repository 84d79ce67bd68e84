"""Write .env from .env.example, with a fresh value for every secret that is ours to choose.

Standard library only: it runs on the host, before anything is installed.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GIVEN_BY_OTHERS = {"HF_TOKEN"}  # Secrets that only their issuer can make.
SECRET = re.compile(r"^(?P<name>[A-Z_]*(?:KEY|SECRET|PASSWORD|TOKEN))=$", re.MULTILINE)


def fresh_secret(name: str) -> str:
    """Return 48 random bytes as letters and digits that are safe in a URL, or what Fernet wants.

    Hexadecimal, because these values stand in URLs and JSON of docker-compose.yaml unquoted.
    """
    if name == "AIRFLOW_FERNET_KEY":
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_hex(48)


def fill(example: str) -> str:
    """Give every empty secret of *example* a value, but those that others issue."""

    def value(match: re.Match[str]) -> str:
        name = match["name"]
        return match[0] if name in GIVEN_BY_OTHERS else f"{name}={fresh_secret(name)}"

    return SECRET.sub(value, example)


def main(root: Path = ROOT) -> None:
    target = root / ".env"
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600)
    except FileExistsError:
        sys.exit(f"{target} exists, and the databases know its passwords: edit it, or move it away first.")
    with os.fdopen(descriptor, "w") as file:
        file.write(fill((root / ".env.example").read_text()))
    sys.stdout.write(f"Wrote {target}. Now set HF_TOKEN in it, and the three addresses.\n")


if __name__ == "__main__":
    main()
