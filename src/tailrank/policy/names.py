"""Names of what a file of policies holds."""

from __future__ import annotations

from typing import Final

POLICY: Final = "policy"
RULE: Final = "rule"
VERSION: Final = "version"
TABLES: Final = (POLICY, RULE)
