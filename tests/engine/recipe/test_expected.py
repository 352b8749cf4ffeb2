"""What parameters take, in words and as a check."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import Field, ValidationError

from engine.methods import METHODS
from engine.methods.contract import ParameterSet
from engine.recipe.expected import Expected, fields_of


class Sample(ParameterSet):
    plain: float
    range: float = Field(ge=0, le=1)
    least: float = Field(ge=-0.5)
    open: float = Field(gt=0, lt=2)
    most: float = Field(le=3)
    maybe: float | None = None
    count: int = Field(ge=1)
    flag: bool = False
    kind: Literal["a", "b", "c"] = "a"
    lambda_: float = Field(default=1.0, alias="lambda")


@pytest.mark.parametrize(
    ("name", "words", "accepted", "refused"),
    [
        ("plain", "a number", [-1e300, 0.0], [True, "x"]),
        ("range", "a number from 0 to 1", [0.0, 1.0, 0.5], [-0.001, 1.001, False]),
        ("least", "a number of at least -0.5", [-0.5, 9.0], [-0.51]),
        ("open", "a number of more than 0 and less than 2", [0.001, 1.999], [0.0, 2.0]),
        ("most", "a number of at most 3", [3.0, -9.0], [3.001]),
        ("maybe", "a number", [0.0], ["x"]),
        ("count", "a whole number of at least 1", [1.0, 10.0], [0.0, 1.5, True]),
        ("flag", "true or false", [True, False], [1.0, 0.0, "true"]),
        ("kind", "`a` or `b` or `c`", ["a", "c"], ["d", 1.0]),
        ("lambda", "a number", [2.0], [True]),
    ],
)
def test_expected(name, words, accepted, refused):
    expected = Expected.of(fields_of(Sample)[name])
    assert str(expected) == words
    assert [expected.accepts(value) for value in accepted] == [True] * len(accepted)
    assert [expected.accepts(value) for value in refused] == [False] * len(refused)


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("flag", 1.0, "write `true`"),
        ("flag", 0.0, "write `false`"),
        ("flag", 2.0, "write `true` or `false`, without quotes"),
        ("kind", "d", "write `a` or `b` or `c`"),
        ("range", "x", "write a number"),
        ("range", 2.0, "correct the number"),
    ],
)
def test_remedies(name, value, remedy):
    assert Expected.of(fields_of(Sample)[name]).remedy(value) == remedy


@pytest.mark.parametrize("name", METHODS)
def test_what_is_accepted_is_what_the_method_takes(name):
    """Pydantic itself agrees, for every parameter of every method."""
    for kind in (METHODS[name].source_parameters, METHODS[name].parameters):
        fields = fields_of(kind)
        required = {other: 0.5 for other, info in fields.items() if info.is_required()}
        for parameter, info in fields.items():
            for value in (-1.0, 0.0, 0.5, 1.0, 1.5, True, False, "x", "density", "l1"):
                # a recipe's numbers are floats, whole ones too
                given = int(value) if info.annotation is int and type(value) is float and value % 1 == 0 else value
                try:
                    kind.model_validate(required | {parameter: given}, strict=True)
                    takes = True
                except ValidationError:
                    takes = False
                assert Expected.of(info).accepts(value) is takes, (parameter, value)
