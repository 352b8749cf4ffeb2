"""Which event means which job: the whole table, through the payloads that GitHub sends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.event import Comment, Manual, MergeGroup, Other, PullRequest, Push, Schedule
from bot.jobs import Asked, Nothing, PlanAll, PlanPull, PlanRange, PublishAll, Refused, ReportDrift, VerifyAll, job_for

HEAD, BASE = "a" * 40, "b" * 40
PULL = PullRequest("opened", 7, HEAD, "change", "octocat/merges", BASE, merged=False)
FORK = replace(PULL, head_repo="stranger/merges")
GONE = replace(PULL, head_repo="")
PUSH = Push("refs/heads/main", HEAD, deleted=False, default_branch="main")
MANUAL = Manual("refs/heads/main", HEAD, "main")
SAID = Comment("created", 7, on_pull=True, body="/mergesmith plan", author="octocat", by_bot=False, sha=HEAD)
GROUP = MergeGroup("checks_requested", HEAD, BASE, 7)

PLAN = PlanPull(7, HEAD, "change", "octocat/merges", BASE)
UNMERGED, UNVERIFIED = (
    f"`command: {command}` never runs on what is not merged; run it on a push to the default branch, or leave it at "
    "`auto`"
    for command in ("publish", "verify")
)


@pytest.mark.parametrize(
    ("event", "command", "job"),
    [
        *[(replace(PULL, action=a), "auto", PLAN) for a in ("opened", "synchronize", "reopened", "ready_for_review")],
        (replace(PULL, action="edited"), "auto", PLAN),
        (PULL, "plan", PLAN),
        (PULL, "publish", Refused(UNMERGED)),
        (PULL, "verify", Refused(UNVERIFIED)),
        (FORK, "verify", Refused(UNVERIFIED)),
        (replace(PULL, action="closed", merged=True), "verify", Nothing("it is merged: the push publishes")),
        (FORK, "auto", replace(PLAN, head_repo="stranger/merges")),
        (FORK, "publish", Refused(UNMERGED)),
        (GONE, "auto", replace(PLAN, head_repo="")),
        (replace(PULL, action="closed"), "auto", Nothing("it was closed without being merged")),
        (replace(PULL, action="closed", merged=True), "auto", Nothing("it is merged: the push publishes")),
        (replace(PULL, action="closed", merged=True), "publish", Nothing("it is merged: the push publishes")),
        (replace(FORK, action="closed", merged=True), "publish", Nothing("it is merged: the push publishes")),
        (replace(PULL, action="labeled"), "auto", Nothing("a pull request that was labeled holds the same recipes")),
        (PUSH, "auto", PublishAll(HEAD)),
        (PUSH, "publish", PublishAll(HEAD)),
        (PUSH, "plan", PlanAll(HEAD)),
        (PUSH, "verify", VerifyAll(HEAD)),
        (
            replace(PUSH, ref="refs/heads/try"),
            "verify",
            Refused("only main is verified, and this is refs/heads/try; merge it first"),
        ),
        (replace(PUSH, sha="", deleted=True), "verify", Nothing("refs/heads/main was deleted")),
        (
            replace(PUSH, ref="refs/heads/try"),
            "auto",
            Nothing("only main is published, and this is refs/heads/try"),
        ),
        (
            replace(PUSH, ref="refs/heads/try"),
            "publish",
            Refused("only main is published, and this is refs/heads/try; merge it first"),
        ),
        (replace(PUSH, ref="refs/heads/try"), "plan", PlanAll(HEAD)),
        (replace(PUSH, ref="refs/tags/main"), "auto", Nothing("only main is published, and this is refs/tags/main")),
        (
            replace(PUSH, ref="refs/heads/x/main"),
            "auto",
            Nothing("only main is published, and this is refs/heads/x/main"),
        ),
        (replace(PUSH, sha="", deleted=True), "auto", Nothing("refs/heads/main was deleted")),
        (replace(PUSH, sha="", deleted=True), "plan", Nothing("refs/heads/main was deleted")),
        (replace(PUSH, ref="refs/heads/trunk", default_branch="trunk"), "auto", PublishAll(HEAD)),
        (MANUAL, "auto", PublishAll(HEAD)),
        (MANUAL, "plan", PlanAll(HEAD)),
        (MANUAL, "verify", VerifyAll(HEAD)),
        (
            replace(MANUAL, ref="refs/heads/try"),
            "verify",
            Refused("only main is verified, and this is refs/heads/try; merge it first"),
        ),
        (replace(MANUAL, ref="refs/heads/try"), "auto", PlanAll(HEAD)),
        (
            replace(MANUAL, ref="refs/heads/try"),
            "publish",
            Refused("only main is published, and this is refs/heads/try; merge it first"),
        ),
        (Schedule(HEAD), "auto", ReportDrift(HEAD)),
        (Schedule(HEAD), "plan", PlanAll(HEAD)),
        (Schedule(HEAD), "publish", PublishAll(HEAD)),
        (Schedule(HEAD), "verify", VerifyAll(HEAD)),
        (GROUP, "auto", PlanRange(BASE, HEAD, 7)),
        (GROUP, "plan", PlanRange(BASE, HEAD, 7)),
        (GROUP, "publish", Refused(UNMERGED)),
        (GROUP, "verify", Refused(UNVERIFIED)),
        (replace(GROUP, action="destroyed"), "auto", Nothing("the merge group was destroyed")),
        (SAID, "auto", Asked(7, "octocat", "plan", HEAD)),
        (SAID, "plan", Asked(7, "octocat", "plan", HEAD)),
        (SAID, "publish", Nothing("this workflow has `command: publish`")),
        (replace(SAID, body="/mergesmith publish"), "auto", Asked(7, "octocat", "publish", HEAD)),
        (replace(SAID, body="/mergesmith verify"), "auto", Asked(7, "octocat", "verify", HEAD)),
        (replace(SAID, body="/mergesmith verify"), "verify", Asked(7, "octocat", "verify", HEAD)),
        (replace(SAID, body="/mergesmith verify"), "publish", Nothing("this workflow has `command: publish`")),
        (replace(SAID, body="/mergesmith publish"), "verify", Nothing("this workflow has `command: verify`")),
        (
            replace(SAID, body="/mergesmith verify", by_bot=True),
            "auto",
            Nothing("the comment does not begin with /mergesmith"),
        ),
        (replace(SAID, body="/mergesmith verify", on_pull=False), "auto", Nothing("/mergesmith is for pull requests")),
        (replace(SAID, body="/mergesmith publish"), "plan", Nothing("this workflow has `command: plan`")),
        (replace(SAID, body="/mergesmith override abc"), "plan", Asked(7, "octocat", "override", HEAD)),
        (replace(SAID, body="  /mergesmith plan please\nthanks"), "auto", Asked(7, "octocat", "plan", HEAD)),
        (
            replace(SAID, body="please\n/mergesmith plan"),
            "auto",
            Nothing("the comment does not begin with /mergesmith"),
        ),
        (replace(SAID, body="/mergesmithplan"), "auto", Nothing("the comment does not begin with /mergesmith")),
        (replace(SAID, body=""), "auto", Nothing("the comment does not begin with /mergesmith")),
        (replace(SAID, body="/mergesmith"), "auto", Nothing("/mergesmith knows plan, publish, verify and override")),
        (replace(SAID, body="/mergesmith rm"), "auto", Nothing("/mergesmith knows plan, publish, verify and override")),
        (replace(SAID, by_bot=True), "auto", Nothing("the comment does not begin with /mergesmith")),
        (replace(SAID, action="edited"), "auto", Nothing("only a new comment asks for something")),
        (replace(SAID, on_pull=False), "auto", Nothing("/mergesmith is for pull requests")),
        (Other("watch"), "auto", Nothing("the event watch means nothing here")),
        (Other("workflow_run"), "publish", Nothing("the event workflow_run means nothing here")),
    ],
)
def test_table(event, command, job):
    assert job_for(event, command) == job


@pytest.mark.parametrize("command", ["auto", "plan", "publish", "verify"])
@pytest.mark.parametrize("event", [PULL, FORK, GONE, GROUP, replace(PUSH, ref="refs/heads/try"), SAID])
def test_what_is_not_merged_is_never_published_nor_verified(event, command):
    assert not isinstance(job_for(event, command), PublishAll | VerifyAll)
