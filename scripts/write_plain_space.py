"""Write a folder that is a Gradio Space without torch: it plans and proposes recipes, and leaves the merging to others.

    python scripts/write_plain_space.py FOLDER

Push the folder to a Space. Its README's front matter is the Docker Space's, with Gradio's own keys.
"""

from __future__ import annotations

import re
import shutil
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("engine", "space", "templates", "examples")
APP = '''"""The form as a Gradio Space."""

from space.main import main

if __name__ == "__main__":
    main()
'''


def write(folder: Path) -> None:
    """Write the Space into ``folder``, which must not be there yet."""
    folder.mkdir(parents=True)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "recipes-repo"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["space"]]
    without = [line for line in wanted if not re.match(r"(torch|dbos|gradio)\b", line)]
    (folder / "requirements.txt").write_text("\n".join([*without, ""]), encoding="utf-8")
    (folder / "README.md").write_text(readme(), encoding="utf-8")
    (folder / "app.py").write_text(APP, encoding="utf-8")
    shutil.copy(ROOT / "LICENSE", folder)


def readme() -> str:
    """Turn the Docker Space's README into a Gradio Space's, of the Gradio that the image has."""
    locked = (ROOT / "scripts" / "requirements.txt").read_text(encoding="utf-8")
    (version,) = re.findall(r"^gradio==(\S+)", locked, re.MULTILINE)
    text = (ROOT / "space" / "README.md").read_text(encoding="utf-8")
    keys = f"sdk: gradio\nsdk_version: {version}\npython_version: '3.11'\napp_file: app.py"
    return text.replace("sdk: docker\napp_port: 7860", keys)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(Path(sys.argv[1]))
