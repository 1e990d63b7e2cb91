"""Where a certificate is, for those who make it and those who serve with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CertificateFiles:
    """PEM files: a certificate with its chain, and its key. Both may be the same file."""

    chain: Path
    key: Path
