from engine.methods import METHODS
from space.controls import of_merge, of_model


def test_the_knobs_of_slerp() -> None:
    (knob,) = of_merge(METHODS["slerp"])
    assert (knob.name, knob.kind, knob.low, knob.high, knob.step) == ("t", "number", 0, 1, 0.01)
    assert (knob.required, knob.default, knob.start) == (True, None, 0.5)
    assert of_model(METHODS["slerp"]) == ()


def test_the_knobs_of_ties() -> None:
    weight, density = of_model(METHODS["ties"])
    assert (weight.low, weight.high, weight.least, weight.most, weight.start) == (0, 2, None, None, 1.0)
    assert (density.low, density.high, density.default, density.start) == (0, 1, 1.0, 0.5)
    assert [knob.name for knob in of_merge(METHODS["ties"])] == ["normalize", "lambda", "rescale"]


def test_small_numbers_have_a_slider_of_their_size() -> None:
    epsilon = of_merge(METHODS["ram"])[0]
    assert (epsilon.low, epsilon.high, epsilon.step) == (0, 1e-4, 1e-6)


def test_whole_numbers_choices_and_what_may_be_left_out() -> None:
    assert [(k.kind, k.low, k.high, k.step) for k in of_merge(METHODS["karcher"]) if k.name == "max_iter"] == [
        ("whole", 0, 50, 1)
    ]
    norms = [k for k in of_merge(METHODS["dare_ties"]) if k.name == "rescale_norm"]
    assert [(k.kind, k.choices, k.default) for k in norms] == [("choice", ("density", "l1"), "density")]
    (scale,) = of_model(METHODS["passthrough"])
    assert (scale.kind, scale.default, scale.required, scale.start) == ("number", None, False, None)


def test_every_method_has_controls_that_hold_their_defaults() -> None:
    for method in METHODS.values():
        for knob in (*of_model(method), *of_merge(method)):
            assert knob.help
            if knob.kind == "number" and knob.default is not None:
                assert knob.low <= knob.default <= knob.high
