"""Makes rfc7208.json and rfc4408.json of the openspf test suites, as they come in the source distribution of pyspf.

`python tests/vectors/openspf/convert.py DIRECTORY`, where DIRECTORY holds rfc7208-tests.yml and rfc4408-tests.yml:

    pip download --no-binary :all: --no-deps pyspf==2.0.14 && tar xzf pyspf-2.0.14.tar.gz
    python tests/vectors/openspf/convert.py pyspf-2.0.14/test

Wants PyYAML, which nothing else here needs. The contents are not changed, only the comments of the YAML files are lost.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent


def convert(source: Path, target: Path) -> None:
    """Writes the documents of a YAML file as a JSON array."""
    yaml = importlib.import_module("yaml")
    documents = [document for document in yaml.safe_load_all(source.read_bytes()) if document]
    target.write_text(json.dumps(documents, indent=1) + "\n", encoding="ascii")


def main() -> None:
    """See above."""
    directory = Path(sys.argv[1])
    for suite in ("rfc7208", "rfc4408"):
        convert(directory / f"{suite}-tests.yml", HERE / f"{suite}.json")


if __name__ == "__main__":
    main()
