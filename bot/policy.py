"""What a recipes repo allows: its ``.mergesmith.yml``, and what of a plan it forbids.

The caller reads the file from the commit that a pull request wants to change, never from the pull request itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bot.flat_yaml import read_flat
from engine.errors import MergesmithError
from engine.findings import error
from engine.plan.show.words import size
from engine.recipe import parse as parse_recipe
from engine.recipe.keys import nearest
from engine.recipe.reading import quoted
from engine.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from bot.flat_yaml import Where
    from engine.findings import Finding, Place
    from engine.plan.plan import Plan
    from engine.recipe import Places

FILE = ".mergesmith.yml"
UNSTATED = "unknown"
"""Licence of a model whose card states none."""

Rule = Literal[
    "allowed_licenses", "forbidden_licenses", "allowed_owners", "target_namespaces", "max_size", "require_lock"
]

_LEAVE_OUT = "leave it out, or have the policy changed first"


class PolicyError(MergesmithError):
    """The policy cannot be read: every mistake at once, each with its place."""

    exit_status = 2


def _bytes(value: object) -> object:
    """Read a size; what is none stays as it is, which the strict schema refuses."""
    try:
        return parse_size(value) if isinstance(value, str) else value
    except (MergesmithError, ValueError):  # Python reads no number of thousands of digits
        return value


Names = Annotated[tuple[str, ...], Field(min_length=1)]


class Policy(BaseModel):
    """Rules for every plan of a repo; one that is left out allows everything.

    Licences are named as on the Hub's cards, in any case; ``*`` stands for any characters, ``unknown`` for none
    stated. A licence called ``other`` goes by its ``license_name`` too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    allowed_licenses: Names | None = Field(
        default=None,
        description="the only licences that a parent or the result may have, such as `apache-2.0` or `cc-by-4*`",
    )
    forbidden_licenses: Names | None = Field(
        default=None, description="licences that no parent and no result may have, such as `cc-by-nc-*`"
    )
    allowed_owners: Names | None = Field(
        default=None, description="the only users and organisations whose models may go in"
    )
    target_namespaces: Names | None = Field(
        default=None, description="the only users and organisations that a result may be published to"
    )
    max_size: Annotated[int, BeforeValidator(_bytes)] | None = Field(
        default=None, description="the most that the weights of a result may take, such as `16GB`"
    )
    require_lock: bool = Field(default=False, description="whether every recipe needs a lock beside it")
    only_warn: Annotated[tuple[Rule, ...], Field(min_length=1)] | None = Field(
        default=None, description="rules of the above whose breach is a warning, not an error"
    )
    override: Names | None = Field(
        default=None,
        description="GitHub logins who may set these rules aside, by a comment `/mergesmith override DIGEST`",
    )
    read_private: bool = Field(
        default=False,
        description="whether plans of pull requests may use `hf-token`, and so tell of private and gated models",
    )


def parse(text: str) -> Policy:
    """Read a policy; an empty text allows everything. ``PolicyError`` tells every mistake, each with its place."""
    values, places, problems = read_flat(text, "policy")
    policy = Policy()
    try:
        policy = Policy.model_validate(values)
    except ValidationError as refusal:
        problems += [_problem(dict(mistake), places) for mistake in refusal.errors(include_url=False)]
    if problems:
        ordered = sorted(problems, key=lambda finding: (finding.line, finding.column))
        raise PolicyError("\n".join(finding.line_for(FILE) for finding in ordered))
    return policy


_EXPECTED = {
    "bool_type": ("expected true or false", "write `true` or `false`"),
    "tuple_type": ("expected a list", "write it as `[one, two]`"),
    "string_type": ("expected a name", "write one name for each item"),
    "too_short": ("expected at least one item", "add one, or remove the key"),
    "int_type": ("expected a size", "write one such as `16GB`"),
}


def _problem(mistake: Mapping[str, Any], places: Where) -> Finding:
    """Put one of pydantic's errors into our words, at its place."""
    at = mistake["loc"]
    name, place = str(at[0]), places.get(at, places[at[0],])
    match mistake["type"]:
        case "extra_forbidden":
            return error("policy", f"`{name}` is no key of the policy", _meant(name, Policy.model_fields), place)
        case "literal_error":
            given = str(mistake["input"])
            return error("policy", f"`{given}` is no rule", _meant(given, get_args(Rule)), place)
    expected, fix = _EXPECTED[mistake["type"]]
    which = f"item {at[1] + 1} of `{name}`" if at[1:] else f"`{name}`"
    return error("policy", f"{which}: {expected}", fix, place)


def _meant(name: str, names: Iterable[str]) -> str:
    near = nearest(name, names)
    return f"did you mean `{near}`?" if near else f"there are {', '.join(names)}"


@dataclass(frozen=True)
class _Case:
    """What a rule judges."""

    policy: Policy
    plan: Plan
    places: Places
    locked: bool
    names: Mapping[str, str]


def breaches(
    policy: Policy, plan: Plan, *, locked: bool, names: Mapping[str, str] | None = None
) -> tuple[Finding, ...]:
    """Tell all that the policy forbids in a plan, one finding each, in the order of the rules.

    ``locked``: whether the recipe has a lock that fits. ``names`` has the Hub's own names of repos that the recipe may
    call otherwise: one that was renamed, or given away, answers to its old name too. A finding stands where the recipe
    names the model, the target or the licence, else at its method; it is an error, or a warning for a rule under
    ``only_warn``.
    """
    case = _Case(policy, plan, parse_recipe(plan.text).places, locked, names or {})
    soft = policy.only_warn or ()
    return tuple(
        replace(finding, level="warning") if rule in soft else finding
        for rule, judge in _RULES.items()
        for finding in judge(case)
    )


def overridden(policy: Policy, findings: Sequence[Finding], login: str) -> tuple[Finding, ...]:
    """Turn breaches of the policy into warnings where ``login`` may set its rules aside; other findings stay."""
    if login.lower() not in [name.lower() for name in policy.override or ()]:
        return tuple(findings)
    return tuple(
        replace(finding, level="warning", message=f"{finding.message} (set aside by {login})")
        if finding.level == "error" and finding.id.startswith("policy-")
        else finding
        for finding in findings
    )


def _allowed_licences(case: _Case) -> Iterator[Finding]:
    allowed = case.policy.allowed_licenses
    if allowed is not None:
        message = f"the policy allows only {', '.join(allowed)}"
        yield from _licences(case, message, lambda *licence: not _matches(licence, allowed))


def _forbidden_licences(case: _Case) -> Iterator[Finding]:
    forbidden = case.policy.forbidden_licenses or ()
    message = f"the policy forbids {', '.join(forbidden)}"
    yield from _licences(case, message, lambda *licence: _matches(licence, forbidden))


def _licences(case: _Case, rule: str, refused: Callable[[str | None, str | None], bool]) -> Iterator[Finding]:
    """Hold the parents' licences against a rule, then the result's."""
    plan = case.plan
    for pin in plan.models:
        if refused(pin.license, pin.license_name):
            message = f"{pin.ref} {_called(pin.license, pin.license_name)}, and {rule}"
            yield error("policy-parent-licence", message, _LEAVE_OUT, _mention(case, pin.ref))
    if refused(plan.licence.license, plan.licence.license_name):
        message = f"the result {_called(plan.licence.license, plan.licence.license_name)}, and {rule}"
        stated = plan.recipe.publish is not None and plan.recipe.publish.license is not None
        place = case.places.value(("publish", "license")) if stated else _method(case)
        yield error(
            "policy-licence", message, "state one that the parents and the policy allow, or merge other models", place
        )


def _matches(licence: tuple[str | None, str | None], patterns: Sequence[str]) -> bool:
    identifier = (licence[0] or UNSTATED).strip().lower()
    names = [identifier, (licence[1] or "").strip().lower()] if identifier == "other" else [identifier]
    return any(fnmatchcase(name, pattern.strip().lower()) for name in names for pattern in patterns)


def _called(licence: str | None, name: str | None) -> str:
    if licence is None or licence == UNSTATED:
        return "states no licence"
    # a card is a stranger's text: quoted, it is one short line
    called = quoted(licence)
    return f"is under {called} ({quoted(name)})" if name and licence.lower() == "other" else f"is under {called}"


def _owners(case: _Case) -> Iterator[Finding]:
    allowed = case.policy.allowed_owners
    if allowed is None:
        return
    for pin in case.plan.models:
        owner, slash, _ = case.names.get(pin.repo or "", pin.repo or "").partition("/")
        if not (slash and _among(owner, allowed)):
            whose = f"belongs to {owner}" if slash else "belongs to no user or organisation on the Hub"
            message = f"{pin.ref} {whose}, and the policy allows only models of {', '.join(allowed)}"
            yield error("policy-owner", message, _LEAVE_OUT, _mention(case, pin.ref))


def _targets(case: _Case) -> Iterator[Finding]:
    allowed, repo = case.policy.target_namespaces, case.plan.repo
    called = case.names.get(repo or "", repo)
    if allowed is not None and called is not None and not _among(called.partition("/")[0], allowed):
        message = f"the result would go to {called}, and the policy allows only {', '.join(allowed)}"
        publish = case.plan.recipe.publish
        written = publish is not None and publish.repo == repo
        place = case.places.value(("publish", "repo")) if written else _method(case)
        yield error("policy-target", message, "name a repo there, or have the policy changed first", place)


def _sizes(case: _Case) -> Iterator[Finding]:
    most, nbytes = case.policy.max_size, case.plan.bytes
    if most is not None and nbytes > most:
        taken, limit = size(nbytes), size(most)
        if taken == limit:
            taken, limit = f"{nbytes} bytes", f"{most} bytes"
        message = f"the result takes {taken}, and the policy allows at most {limit}"
        yield error("policy-size", message, "merge smaller models or fewer layers", _method(case))


def _locks(case: _Case) -> Iterator[Finding]:
    if case.policy.require_lock and not case.locked:
        message = "the recipe has no lock that fits, and the policy asks for one"
        fix = "write it with `mergesmith lock`, and commit it beside the recipe"
        yield error("policy-lock", message, fix, _method(case))


def _among(name: str, names: Iterable[str]) -> bool:
    """Whether a namespace is named, in any case: the Hub has no two that differ by case alone."""
    return name.lower() in [each.lower() for each in names]


def _mention(case: _Case, ref: str) -> Place:
    """Where the recipe names a model first."""
    at = next((at for model, at in case.plan.recipe.mentions() if model.text == ref), ())
    return case.places.value(at)


def _method(case: _Case) -> Place:
    """Where what concerns the whole recipe stands."""
    return case.places.key(("merge_method",))


_RULES: Mapping[Rule, Callable[[_Case], Iterator[Finding]]] = {
    "allowed_licenses": _allowed_licences,
    "forbidden_licenses": _forbidden_licences,
    "allowed_owners": _owners,
    "target_namespaces": _targets,
    "max_size": _sizes,
    "require_lock": _locks,
}
