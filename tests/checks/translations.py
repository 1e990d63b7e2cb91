"""Every language has every message of English, with the same arguments. Run by `make check`."""

from __future__ import annotations

import sys
from string import Formatter

from appliance.words import DEFAULT, LANGUAGES, words


def arguments(text: str) -> set[str]:
    """The named arguments of a message."""
    return {name for _literal, name, _spec, _conversion in Formatter().parse(text) if name}


def faults() -> list[str]:
    """What is missing, too much or different, one line each."""
    reference = words(DEFAULT).subset("")
    found = []
    for language in LANGUAGES:
        messages = words(language).subset("")
        found += [f"{language}: {key} is missing" for key in reference.keys() - messages.keys()]
        found += [f"{language}: {key} is not in {DEFAULT}" for key in messages.keys() - reference.keys()]
        found += [
            f"{language}: {key} has {sorted(arguments(messages[key]))}, not {sorted(arguments(text))}"
            for key, text in reference.items()
            if key in messages and arguments(messages[key]) != arguments(text)
        ]
    return sorted(found)


if __name__ == "__main__":
    lines = faults()
    print(
        "\n".join(lines)
        or f"translations complete: {len(words(DEFAULT).subset(''))} messages in {len(LANGUAGES)} languages"
    )
    sys.exit(bool(lines))
