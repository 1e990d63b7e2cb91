"""Copies the browser libraries from `node_modules` to `static/vendor`: `python -m appliance.web.shared.vendor`.

zstddec carries its WebAssembly as text inside a module and loads it from a `data:` address, which our CSP refuses; here
it becomes the file `zstddec.wasm`, whose exports the screen decoder calls itself.
"""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
TARGET = Path(__file__).parent / "static" / "vendor"

_WASM = re.compile(r'const wasm = "([A-Za-z0-9+/=]+)"')


def copy_libraries(modules: Path, target: Path) -> list[Path]:
    """Write what the pages load from `modules` (a node_modules folder) to `target`; the files written.

    Raises OSError, and ValueError where a library is not as expected.
    """
    package = modules / "zstddec"
    match = _WASM.search((package / "dist" / "zstddec-stream.mjs").read_text(encoding="utf-8"))
    if match is None:
        raise ValueError("zstddec has no WebAssembly where it was expected")
    target.mkdir(parents=True, exist_ok=True)
    written = {
        "zstddec.wasm": base64.b64decode(match[1]),
        "zstddec-license.txt": (package / "LICENSE").read_bytes(),
    }
    for name, content in written.items():
        (target / name).write_bytes(content)
    return [target / name for name in written]


if __name__ == "__main__":
    try:
        copy_libraries(ROOT / "node_modules", TARGET)
    except (OSError, ValueError) as error:
        sys.exit(f"The browser libraries could not be copied: {error}")
