"""`.env`: settings for people who do not export variables.

Only settings are taken from it. Whatever else stands there, keys above all, does not enter the process.
"""

import os
from pathlib import Path

from dotenv import dotenv_values


def read_env_file(path: Path = Path(".env")) -> None:
    """`MM_*` and `REDIS_URL` of the file into the environment, where they are not set already."""
    for name, value in dotenv_values(path).items():
        if value is not None and (name.startswith("MM_") or name == "REDIS_URL"):
            os.environ.setdefault(name, value)
