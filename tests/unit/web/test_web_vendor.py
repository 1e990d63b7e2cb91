"""Browser libraries become files that our CSP lets a page load."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from appliance.web.shared.vendor import copy_libraries


def library(folder: Path, module: str) -> Path:
    package = folder / "zstddec"
    (package / "dist").mkdir(parents=True)
    (package / "dist" / "zstddec-stream.mjs").write_text(module)
    (package / "LICENSE").write_text("MIT")
    return folder


def test_the_webassembly_leaves_the_module_for_a_file(tmp_path: Path) -> None:
    binary = b"\0asm\1\0\0\0"
    modules = library(tmp_path / "modules", f'let x;\nconst wasm = "{base64.b64encode(binary).decode()}";\n')
    copy_libraries(modules, tmp_path / "vendor")
    assert (tmp_path / "vendor" / "zstddec.wasm").read_bytes() == binary


def test_a_library_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zstddec"):
        copy_libraries(library(tmp_path / "modules", "export {}"), tmp_path / "vendor")
