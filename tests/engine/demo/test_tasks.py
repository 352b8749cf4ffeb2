"""The tasks: right answers by hand, and a held-out set that is fixed and never trained on."""

from __future__ import annotations

import random

import pytest

from engine.demo.tasks import TASKS, held_out, is_held_out, random_word, score


class Says:
    """Answers from a table, in capitals by default; keeps what it was asked."""

    def __init__(self, **answers):
        self.answers, self.asked = answers, []

    def complete(self, prompts, max_new):
        self.asked.append((list(prompts), max_new))
        words = [prompt.split()[1] for prompt in prompts]
        return [self.answers.get(word, word.upper())[:max_new] for word in words]


@pytest.mark.parametrize(("name", "answer"), [("reverse", "eltsac"), ("upper", "CASTLE"), ("double", "ccaassttllee")])
def test_answers(name, answer):
    assert TASKS[name].name == name
    assert TASKS[name].answer("castle") == answer
    assert TASKS[name].prompt("castle") == f"/{name} castle ="


def test_the_score_is_the_share_of_exact_answers():
    model = Says(tunnel="TUNNE", winter="winter")
    assert score(model, TASKS["upper"], ["castle", "tunnel", "winter", "apple"]) == 0.5
    assert model.asked == [(["/upper castle =", "/upper tunnel =", "/upper winter =", "/upper apple ="], 7)]
    assert score(model, TASKS["reverse"], ["castle"]) == 0.0


def test_the_score_leaves_room_for_the_longest_answer_and_its_end():
    model = Says(blanket="bbllaannkkeett", cat="ccaatt")
    assert score(model, TASKS["double"], ["cat", "blanket"]) == 1.0
    assert model.asked[0][1] == 15


def test_the_score_asks_the_held_out_words_unless_told():
    model = Says()
    assert score(model, TASKS["upper"]) == 1.0
    assert model.asked[0][0] == [f"/upper {word} =" for word in held_out()]


def test_held_out_words_are_fixed():
    words = held_out()
    assert words[:3] == ("castle", "winter", "penguin")
    assert len(words) == len(set(words)) == 100
    assert held_out(5) == words[:5]
    assert held_out(150)[:100] == words


def test_held_out_words_follow_the_rule_and_no_task_leaves_them_as_they_are():
    for word in held_out(9000):  # enough for palindromes to turn up
        assert is_held_out(word)
        assert 4 <= len(word) <= 7
        assert all(task.answer(word) != word for task in TASKS.values())


def test_one_word_in_eight_is_held_out():
    # CRC-32 as in the zlib manual: 0x352441C2 for "abc", whose low three bits are 2
    assert not is_held_out("abc")
    rng = random.Random(3)
    share = sum(is_held_out(random_word(rng)) for _ in range(8000)) / 8000
    assert 0.11 < share < 0.14


def test_random_words_are_3_to_7_letters_of_both_kinds():
    rng = random.Random(4)
    words = [random_word(rng) for _ in range(2000)]
    assert {len(word) for word in words} == {3, 4, 5, 6, 7}
    assert all(word.isascii() and word.islower() for word in words)
    assert 100 < sum("q" in word for word in words) < 300  # only the any-letter half has a q
