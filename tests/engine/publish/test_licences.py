from __future__ import annotations

import pytest

from engine.publish.facts import Parent
from engine.publish.licences import MIXED_NAME, TERMS, Verdict, combine

STATE_IT = "find out whether and how the merge may be shared, then state it: publish: {license: …}"
LEAVE_OUT = "state a licence that they all allow, or leave these parents out"


def parent(ref: str, licence: str | None, name: str | None = None, link: str | None = None) -> Parent:
    return Parent(
        ref=ref,
        repo=ref,
        commit="c0ffee",
        url=f"https://hub.example/{ref}",
        license=licence,
        license_name=name,
        license_link=link,
        is_base=False,
        architecture="LlamaForCausalLM",
        parameters=1,
    )


def of(*licenses: str | None, declared: str | None = None) -> Verdict:
    """The verdict on parents o/a, o/b … under these licences."""
    return combine([parent(f"o/{ref}", each) for ref, each in zip("abcd", licenses, strict=False)], declared)


def ok(licence: str, message: str) -> Verdict:
    return Verdict(licence, None, None, "ok", message, "")


def warning(licence: str, message: str, fix: str = STATE_IT, name: str | None = None) -> Verdict:
    return Verdict(licence, name, None, "warning", message, fix)


def test_one_parent_gives_its_licence() -> None:
    assert of("mit") == ok("mit", "o/a is under mit, which asks to keep its notice")


def test_parents_alike_give_their_licence() -> None:
    message = "all parents are under gemma, which asks that its terms and its rules of use go along with what is made"
    assert of("gemma", "gemma") == ok("gemma", f"{message} from it")


def test_a_licence_that_the_table_lacks_is_carried_where_all_have_it() -> None:
    assert of("epl-2.0", "EPL-2.0 ") == ok("epl-2.0", "all parents are under epl-2.0")


def test_among_permissive_ones_that_which_asks_most() -> None:
    message = "o/c is under apache-2.0, which asks to keep its notices and to say what was changed"
    rest = "the others allow that, and their notices stay: mit (o/a and o/d); bsd-3-clause (o/b)"
    assert of("mit", "bsd-3-clause", "apache-2.0", "mit") == ok("apache-2.0", f"{message}; {rest}")


def test_a_family_licence_goes_along_with_permissive_ones() -> None:
    message = (
        'o/b is under llama3, which asks for a name that begins with "Llama 3", for "Built with Meta Llama 3", '
        "and for its terms; the others allow that, and their notices stay: apache-2.0 (o/a)"
    )
    assert of("apache-2.0", "llama3") == ok("llama3", message)


@pytest.mark.parametrize(
    ("licenses", "expected"),
    [
        (("mit", "cc0-1.0"), "mit"),
        (("cc-by-4.0", "apache-2.0"), "apache-2.0"),
        (("cc-by-nc-4.0", "apache-2.0"), "cc-by-nc-4.0"),
        (("cc-by-nc-4.0", "cc-by-nc-sa-4.0"), "cc-by-nc-sa-4.0"),
        (("gpl-3.0", "apache-2.0", "agpl-3.0"), "agpl-3.0"),
        (("lgpl-3.0", "gpl-3.0"), "gpl-3.0"),
        (("cc-by-sa-4.0", "gpl-3.0"), "gpl-3.0"),
        (("bigcode-openrail-m", "mit"), "bigcode-openrail-m"),
    ],
)
def test_the_one_that_every_other_allows(licenses: tuple[str, ...], expected: str) -> None:
    for order in (licenses, licenses[::-1]):
        assert (of(*order).license, of(*order).level) == (expected, "ok")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("llama3", "llama3.1"),
        ("llama2", "gemma"),
        ("cc-by-nc-4.0", "llama3"),
        ("cc-by-sa-4.0", "cc-by-nc-4.0"),
        ("cc-by-sa-4.0", "cc-by-nc-sa-4.0"),
        ("gpl-3.0", "cc-by-nc-4.0"),
        ("epl-2.0", "mpl-2.0"),
        ("gpl-2.0", "apache-2.0"),
    ],
)
def test_what_does_not_go_together(one: str, other: str) -> None:
    message = f"the parents' licences do not go together: {one} (o/a); {other} (o/b)"
    assert of(one, other) == warning("other", message, name=MIXED_NAME)


def test_a_parent_without_a_licence() -> None:
    assert of("mit", None) == warning("unknown", "o/b states no licence")
    assert of(None, "unknown") == warning("unknown", "o/a and o/b state no licence")


def test_no_parents() -> None:
    assert of() == warning("unknown", "there is no parent to take a licence from")


def test_no_derivatives_is_a_warning_whatever_the_choice() -> None:
    message = "o/a is under cc-by-nd-4.0, which forbids sharing what is made from it"
    assert of("cc-by-nd-4.0", "mit") == warning("cc-by-nd-4.0", message)
    assert of("cc-by-nd-4.0", declared="cc-by-nd-4.0") == warning("cc-by-nd-4.0", message, LEAVE_OUT)


def test_every_problem_is_named() -> None:
    message = "o/b is under cc-by-nd-4.0, which forbids sharing what is made from it; o/a and o/c state no licence"
    assert of(None, "cc-by-nd-4.0", None) == warning("unknown", message)


def test_the_recipe_has_the_last_word() -> None:
    message = "the recipe states apache-2.0; the parents: mit (o/a); unknown (o/b)"
    assert of("mit", None, declared="apache-2.0") == ok("apache-2.0", message)


def test_the_recipe_against_its_parents() -> None:
    message = "the recipe states mit, which not every parent allows: llama3 (o/b); cc-by-nc-4.0 (o/c)"
    assert of("mit", "llama3", "cc-by-nc-4.0", declared="MIT") == warning("mit", message, LEAVE_OUT)


def test_the_recipe_may_say_other_where_licences_do_not_go_together() -> None:
    message = "the recipe states other; the parents: llama3 (o/a); gemma (o/b)"
    assert of("llama3", "gemma", declared="other") == Verdict("other", MIXED_NAME, None, "ok", message)


def test_other_carries_its_name_and_an_address_that_works_elsewhere() -> None:
    parents = [parent("o/a", "other", "yi", "LICENSE"), parent("o/b", "other", "yi", "LICENSE")]
    expected = ("other", "yi", "https://hub.example/o/a/blob/c0ffee/LICENSE")
    for verdict in (combine(parents, None), combine(parents, "other")):
        assert (verdict.license, verdict.license_name, verdict.license_link) == expected
        assert verdict.level == "ok"
    assert combine(parents, None).message == "all parents are under yi"


def test_the_recipe_names_the_licence_that_it_declares_as_other() -> None:
    verdict = combine([parent("o/a", "llama3"), parent("o/b", "gemma")], "other", "both-terms")
    assert (verdict.license, verdict.license_name, verdict.license_link) == ("other", "both-terms", None)


def test_others_without_a_name_are_not_taken_for_the_same() -> None:
    message = "the parents' licences do not go together: the licence of o/a (o/a); the licence of o/b (o/b); yi (o/c)"
    assert combine([parent("o/a", "other"), parent("o/b", "other"), parent("o/c", "other", "yi")], None) == warning(
        "other", message, name=MIXED_NAME
    )
    alone = combine([parent("o/a", "other")], None)
    assert (alone.license, alone.license_name, alone.level) == ("other", MIXED_NAME, "ok")


def test_a_parent_named_twice_is_listed_once() -> None:
    assert combine([parent("o/a", None), parent("o/a", None)], None).message == "o/a states no licence"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (None, None),
        ("LICENSE", "https://hub.example/o/a/blob/c0ffee/LICENSE"),
        ("docs/my licence.md", "https://hub.example/o/a/blob/c0ffee/docs/my%20licence.md"),
        ("https://ai.example/terms", "https://ai.example/terms"),
        ("javascript:alert(1)", None),
    ],
)
def test_license_url(link: str | None, expected: str | None) -> None:
    assert parent("o/a", "other", "x", link).license_url == expected


def test_what_the_table_names_is_in_the_table() -> None:
    """And a licence never allows one that forbids derived models."""
    for terms in TERMS.values():
        for into in terms.into or ():
            assert TERMS[into].derivable
