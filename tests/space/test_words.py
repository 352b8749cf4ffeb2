import re
from pathlib import Path

import pytest

from engine.methods import METHODS
from space.controls import of_merge, of_model
from space.words import LANGUAGES, preferred, sayer, words

ROOT = Path(__file__).parents[2]
KEY = re.compile(r"\{(\w+)\}")


def test_every_language_says_the_same_things() -> None:
    english = {key: sorted(KEY.findall(text)) for key, text in words("en").items()}
    for language in LANGUAGES:
        theirs = {
            key: sorted(KEY.findall(text))
            for key, text in words(language).items()
            if not key.startswith(("help.", "finding."))
        }
        assert theirs == english


def test_every_method_is_told_in_every_language() -> None:
    wanted = {f"method.{name}.{part}" for name in METHODS for part in ("what", "when")}
    for language in LANGUAGES:
        assert {key for key in words(language) if key.startswith("method.")} == wanted


def test_every_parameter_is_told_in_japanese() -> None:
    wanted = {f"help.{knob.name}" for m in METHODS.values() for knob in (*of_model(m), *of_merge(m))}
    assert {key for key in words("ja") if key.startswith("help.")} == wanted


def test_every_finding_of_the_engine_is_told_in_japanese() -> None:
    told = re.compile(r'(?:error|warning|note|_tell)\(\s*"([a-z][a-z-]*)",\s')
    found = {match for path in (ROOT / "engine").rglob("*.py") for match in told.findall(path.read_text())}
    ours = {match for path in (ROOT / "space").rglob("*.py") for match in told.findall(path.read_text())}
    assert len(found) > 60
    assert {key.removeprefix("finding.") for key in words("ja") if key.startswith("finding.")} == found | ours
    assert not any(key.startswith("finding.") for key in words("en"))


def test_saying() -> None:
    assert sayer("en")("slice_number", number=2) == "Slice 2"
    assert sayer("ja")("slice_number", number=2) == "スライス 2"
    with pytest.raises(KeyError, match="nothing"):
        sayer("en")("nothing")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("ja", "ja"),
        ("ja-JP,ja;q=0.9,en-US;q=0.8,en;q=0.7", "ja"),
        ("en-GB,en;q=0.9,ja;q=0.8", "en"),
        ("de,ja;q=0.5,en;q=0.4", "ja"),
        ("de-DE,fr;q=0.9", "en"),
        ("ja;q=x,en;q=0.1", "en"),
    ],
)
def test_the_browsers_language(header: str | None, language: str) -> None:
    assert preferred(header) == language
