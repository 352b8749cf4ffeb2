"""The tasks of the tiny example models: what they are asked, what is right, which words they never saw.

A prompt is a command and a word, ``/reverse flower =``; the answer follows as letters. Words are 3 to 7 lower-case
letters. A word is held out of training by a rule on its spelling alone, so no list has to be kept in step.
"""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CONSONANTS = "bcdfghjklmnprstvwz"
VOWELS = "aeiou"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
REAL_WORDS = (
    "castle", "winter", "penguin", "orange", "cherry", "butter", "monkey", "walnut", "tunnel", "blanket", "apple",
)  # fmt: skip
SHORTEST, LONGEST = 3, 7


class Completes(Protocol):
    """Anything that continues prompts, such as ``engine.demo.reader.Reader``."""

    def complete(self, prompts: Sequence[str], max_new: int) -> list[str]:
        """Return the greedy continuation of each prompt, at most ``max_new`` tokens, without the end token."""
        ...


@dataclass(frozen=True)
class Task:
    """One command, and the rule that turns a word into its one right answer."""

    name: str
    rule: str
    answer: Callable[[str], str]

    def prompt(self, word: str) -> str:
        """Ask for ``word``: the text that a model continues."""
        return f"/{self.name} {word} ="


TASKS = {
    task.name: task
    for task in (
        Task("reverse", "spell the word backwards", lambda word: word[::-1]),
        Task("upper", "write the word in capitals", str.upper),
        Task("double", "write every letter twice", lambda word: "".join(letter * 2 for letter in word)),
    )
}


def score(model: Completes, task: Task, words: Sequence[str] | None = None) -> float:
    """The share, 0 to 1, of words that ``model`` answers exactly right; ``held_out()`` unless told."""
    asked = held_out() if words is None else words
    answers = [task.answer(word) for word in asked]
    longest = max(len(answer) for answer in answers) + 1
    given = model.complete([task.prompt(word) for word in asked], longest)
    return sum(said == right for said, right in zip(given, answers, strict=True)) / len(asked)


def held_out(count: int = 100, seed: int = 20240108) -> tuple[str, ...]:
    """``count`` different words of at least 4 letters that no training saw and that are not palindromes.

    English words that the rule holds out come first, as they are pleasant to show. The same for every Python:
    only ``random.random()`` is drawn, whose values the standard library promises.
    """
    rng = random.Random(seed)  # noqa: S311 - a fixed test set, not a secret
    words = dict.fromkeys(REAL_WORDS)
    while len(words) < count:
        word = random_word(rng)
        if len(word) > SHORTEST and is_held_out(word) and word != word[::-1]:
            words[word] = None
    return tuple(words)[:count]


def is_held_out(word: str) -> bool:
    """Whether training must not use ``word``: one word in eight, by the CRC-32 of its letters."""
    return zlib.crc32(word.encode()) % 8 == 0


def random_word(rng: random.Random) -> str:
    """One word: half the time any letters, half the time two or three syllables such as ``kanilo``."""
    if rng.random() < 0.5:
        length = SHORTEST + int(rng.random() * (LONGEST - SHORTEST + 1))
        return "".join(_pick(rng, LETTERS) for _ in range(length))
    syllables = 2 + int(rng.random() * 2)
    return "".join(_syllable(rng) for _ in range(syllables))[:LONGEST]


def _syllable(rng: random.Random) -> str:
    coda = _pick(rng, "lnrst") if rng.random() < 0.3 else ""
    return _pick(rng, CONSONANTS) + _pick(rng, VOWELS) + coda


def _pick(rng: random.Random, letters: str) -> str:
    return letters[int(rng.random() * len(letters))]
