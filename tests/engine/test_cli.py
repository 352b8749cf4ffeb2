"""The command line: exit status, what goes to which stream, and what help says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import families
import pytest
import torch
import typer

from engine import cli, commands
from engine.errors import HubError, LockError, MergeError, ModelError, TensorError
from engine.hub_client import Hub
from engine.methods import METHODS
from engine.version import ENGINE

ROOT = Path(__file__).parents[2]
SHAPE = families.Shape(layers=2)
SLERP = "models:\n  - model: ./a\n  - model: ./b\nmerge_method: slerp\nbase_model: ./a\nparameters: {t: 0.5}\n"


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder with models ``a`` and ``b`` and the sound recipe ``r.yaml``, which is the current one."""
    monkeypatch.chdir(tmp_path)
    base = families.random_tensors(SHAPE, 1)
    families.write_model(Path("a"), base, families.config_of(SHAPE))
    families.write_model(Path("b"), families.tuned(base, 2), families.config_of(SHAPE))
    Path("r.yaml").write_text(SLERP)
    return tmp_path


@pytest.fixture
def run(here, capsys):
    """Run a command in this process; returns exit status, standard output and standard error."""

    def run(*arguments):
        status = cli.run(list(map(str, arguments)))
        return status, *capsys.readouterr()

    return run


def started(*arguments, **environment):
    command = [sys.executable, "-m", "engine", *arguments]
    return subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_merge(run):
    status, out, err = run("merge", "r.yaml", "out")
    assert (status, out) == (0, "")
    size = Path("out/model.safetensors").stat().st_size
    assert [line.split(":")[0] for line in err.splitlines()] == [
        "merging 21 tensors into 1 shard, 9.89 kB",
        "model.safetensors",
        "done",
    ]
    assert f"model.safetensors: {size / 1000:.3g} kB, sha256 " in err
    assert run("merge", "r.yaml", "out") == (0, "", "out holds this very model already: nothing to do\n")


def test_quiet_says_nothing(run):
    assert run("merge", "r.yaml", "out", "--quiet") == (0, "", "")


def test_events_are_lines_of_json_on_standard_output(run):
    status, out, err = run("merge", "r.yaml", "out", "--events", "json", "--max-shard-size", "8000", "--lazy-unpickle")
    events = [json.loads(line) for line in out.splitlines()]
    assert (status, err) == (0, "")
    kinds = [event["event"] for event in events]
    assert kinds[:2] == ["said", "started"]
    assert kinds[-1] == "published"
    assert kinds.count("tensor-done") == 21
    assert kinds.count("shard-done") == 2
    assert events[1] == {"event": "started", "tensors": 21, "shards": 2, "nbytes": 9888}
    assert sum(event["nbytes"] for event in events if event["event"] == "tensor-done") == 9888


def test_warnings_are_told_before_a_merge(run):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        Path("a", name).unlink()
    warning = (
        "warning: r.yaml:2:12: ./a lends the config and has no tokenizer, so the result gets none; "
        "put a tokenizer beside the result before you use it\n"
    )
    status, _, err = run("merge", "r.yaml", "out")
    assert status == 0
    assert err.startswith(warning)
    status, out, err = run("plan", "r.yaml")
    assert (status, err) == (0, "")
    assert "warning r.yaml:2:12: ./a lends the config" in " ".join(out.split())


def test_the_command_line_of_the_article(run):
    flags = ["--copy-tokenizer", "--allow-crimes", "--out-shard-size", "1B", "--lazy-unpickle", "--trust_remote_code"]
    status, _, err = run("merge", "r.yaml", "merge", *flags)
    assert status == 0
    note = (
        "--lazy-unpickle and --trust-remote-code: not needed: reading is always lazy, and no model's code is ever run\n"
    )
    assert err.count(note) == 1
    assert {path.name for path in Path("merge").iterdir()} == {
        "README.md",
        "config.json",
        "merge.lock.json",
        "merge.record.json",
        "mergekit_config.yml",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_mergekits_shard_size_is_in_bytes(run):
    # its help speaks of parameters, its code counts bytes: 4 kB hold neither shard of two layers of 3904 bytes
    status, *_ = run("merge", "r.yaml", "out", "--out-shard-size", "4K")
    assert status == 0
    assert len(list(Path("out").glob("model-*-of-00003.safetensors"))) == 3


@pytest.mark.parametrize("place", range(4))
def test_debug_may_stand_anywhere(run, place):
    arguments = ["plan", "missing.yaml", "other.yaml"]
    arguments.insert(place, "--debug")
    status, _, err = run(*arguments)
    assert status == 2
    assert "Traceback (most recent call last)" in err
    assert err.endswith("other.yaml:1:1: no such file; expected a recipe in YAML; check the path\n")


def test_debug_after_two_dashes_is_a_name(run):
    assert run("plan", "--", "--debug") == (
        2,
        "",
        "--debug:1:1: no such file; expected a recipe in YAML; check the path\n",
    )


UNREADABLE = {
    "missing.yaml": "no such file",
    "r.yaml/inner.yaml": "no such file",
    "a": "this is a folder, not a recipe",
    "latin.yaml": "not UTF-8 text (byte 17)",
}


@pytest.mark.parametrize("command", ["plan", "lock", "merge", "publish"])
@pytest.mark.parametrize("recipe", UNREADABLE)
def test_recipes_that_cannot_be_read(run, recipe, command):
    Path("latin.yaml").write_bytes("merge_method: # n\xe4h\n".encode("latin-1"))
    message = f"{recipe}:1:1: {UNREADABLE[recipe]}; expected a recipe in YAML; check the path\n"
    assert run(command, recipe, *(["out"] if command == "merge" else [])) == (2, "", message)


def test_a_recipe_without_permission(run, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert run("lock", "r.yaml") == (
        1,
        "",
        "mergesmith: r.yaml: Permission denied; check the path and its permissions\n",
    )


def test_errors_alone_go_to_standard_error(run):
    """Notes on a refused recipe are in the JSON; on standard error they would look like errors."""
    Path("r.yaml").write_text(SLERP.replace("t: 0.5", "t: 2") + "publish: {tags: []}\nseed: -1\n")
    Path("n.yaml").write_text(
        "models: [{model: ./a}, {model: ./b, parameters: {weight: x}}]\nmerge_method: task_arithmetic\n"
        "base_model: ./a\nparameters: {int8_mask: true}\n"
    )
    status, out, err = run("plan", "n.yaml", "--format", "json")
    assert status == 2
    assert err == "n.yaml:1:58: `weight` is the text `x`, expected a number; write a number\n"
    assert [f["level"] for f in json.loads(out)["recipes"][0]["findings"]] == ["error", "note"]


def test_several_recipes_are_all_planned_whatever_is_wrong_with_one(run):
    Path("bad.yaml").write_text("merge_method: tise\n")
    status, out, err = run("plan", "bad.yaml", "r.yaml", "missing.yaml", "--format", "json")
    data = json.loads(out)
    assert status == 2
    assert [recipe["path"] for recipe in data["recipes"]] == ["bad.yaml", "r.yaml", "missing.yaml"]
    assert [recipe["digest"] is None for recipe in data["recipes"]] == [True, False, True]
    assert [line.split(": ")[0] for line in err.splitlines()] == ["bad.yaml:1:1", "bad.yaml:1:15", "missing.yaml:1:1"]


def test_markdown_of_several_recipes_is_one_document(run):
    Path("bad.yaml").write_text("merge_method: tise\n")
    status, out, _ = run("plan", "r.yaml", "bad.yaml", "--format", "markdown")
    assert status == 2
    assert [line for line in out.splitlines() if line.startswith("###")] == ["### r", "### bad.yaml"]


@pytest.fixture
def hub(devhub, monkeypatch):
    monkeypatch.setattr(cli, "open_hub", lambda: Hub(endpoint=devhub.endpoint, token=None, sleep=lambda _: None))
    monkeypatch.setenv("HF_ENDPOINT", devhub.endpoint)
    return devhub


def test_a_hub_that_fails_is_status_1_and_the_other_recipes_are_planned(run, hub):
    hub.inject("*", status=500, times=999)
    Path("h.yaml").write_text(SLERP.replace("./b", "alice/b"))
    status, out, err = run("plan", "h.yaml", "r.yaml", "--format", "json")
    first, second = json.loads(out)["recipes"]
    assert status == 1
    assert err.startswith("mergesmith: the Hub failed (500) while looking up alice/b")
    assert (first["digest"], first["findings"][0]["id"], first["findings"][0]["level"]) == (
        None,
        "not-planned",
        "error",
    )
    assert second["digest"] is not None


def test_a_port_that_is_taken(run, devhub):
    port = devhub.endpoint.rpartition(":")[2]
    assert run("devhub", "--port", port, "--root", "hub") == (
        1,
        "",
        f"mergesmith: --port {port}: another program listens there; choose another, or leave it out\n",
    )


def test_locks(run):
    status, out, err = run("lock", "r.yaml")
    digest = json.loads(Path("r.lock.json").read_text())["plan_digest"]
    assert (status, out, err) == (0, f"r.lock.json: 2 models, plan {digest[:16]}\n", "")
    assert run("lock", "--check", "r.yaml") == (0, "r.yaml: its lock fits\n", "")
    Path("r.yaml").write_text(SLERP.replace("0.5", "0.4"))
    stale = (
        "mergesmith: r.lock.json: the recipe changed since it was locked; look at the new plan, then write the lock "
        "again with `mergesmith lock`\n"
    )
    Path("s.yaml").write_text(SLERP)
    missing = "mergesmith: s.lock.json: no such file; write it with `mergesmith lock s.yaml`\n"
    assert run("lock", "--check", "r.yaml", "s.yaml") == (2, "", stale + missing)
    assert run("merge", "r.yaml", "out") == (2, "", stale)
    assert run("plan", "r.yaml")[0] == 0


def test_lock_takes_what_changes_the_plan(run):
    assert run("lock", "r.yaml", "--no-copy-tokenizer", "--repo", "alice/m", "--private")[0] == 0
    status, _, err = run("merge", "r.yaml", "out")
    assert status == 2
    assert "pass the options that it was locked with" in err
    assert run("merge", "r.yaml", "out", "--no-copy-tokenizer")[0] == 2


FAILURES = [
    (ModelError("m is gated; ask"), 2, "mergesmith: m is gated; ask\n"),
    (LockError("l: stale; lock again"), 2, "mergesmith: l: stale; lock again\n"),
    (TensorError("tensor 'x' has a NaN"), 2, "mergesmith: tensor 'x' has a NaN\n"),
    (MergeError("the disk is full"), 1, "mergesmith: the disk is full\n"),
    (HubError("no answer; check the network"), 1, "mergesmith: no answer; check the network\n"),
    (OSError(28, "No space left on device", "/x"), 1, "mergesmith: /x: No space left on device; check the path"),
    (ValueError("strange"), 1, "mergesmith: ValueError: strange; run it again with --debug to see where\n"),
    (KeyboardInterrupt(), 130, "mergesmith: interrupted; what is finished is kept, and the same command goes on"),
    (typer.Abort(), 130, "mergesmith: interrupted; what is finished is kept, and the same command goes on"),
    (typer.Exit(3), 3, ""),
]


@pytest.mark.parametrize(("problem", "status", "told"), FAILURES, ids=lambda value: type(value).__name__)
def test_exit_status(run, monkeypatch, problem, status, told):
    def fail(*_args, **_options):
        raise problem

    monkeypatch.setattr(commands, "merge", fail)
    found, out, err = run("merge", "r.yaml", "out")
    assert (found, out) == (status, "")
    assert err.startswith(told)
    assert bool(err) == bool(told)
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("command", "goes_on"),
    [
        (("merge", "r.yaml", "out"), "; what is finished is kept, and the same command goes on from there"),
        (("publish", "r.yaml"), "; what is uploaded waits at the target, and the same command goes on from there"),
        (("verify", "out"), ""),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_an_interrupted_command_says_whether_it_goes_on_where_it_was(run, monkeypatch, command, goes_on):
    def interrupt(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, command[0], interrupt)
    assert run(*command) == (130, "", f"mergesmith: interrupted{goes_on}\n")


def test_what_publish_is_told_is_passed_on(run, monkeypatch):
    seen = []
    monkeypatch.setattr(commands, "publish", lambda *_args, open_target, **options: seen.append(options))
    every = ("--force", "--require-lock", "--create-pr", "--clean-staging")
    names = ("force", "require_lock", "create_pr", "clean_staging")
    assert run("publish", "r.yaml") == (0, "", "")
    for option in every:
        run("publish", "r.yaml", option)
    assert seen == [dict.fromkeys(names, False)] + [{**dict.fromkeys(names, False), name: True} for name in names]


def test_untrusted_text_in_an_error_is_shown_as_escapes(run, monkeypatch):
    def fail(*_args, **_options):
        raise MergeError("\x1b[31mred\u202e\nsecond")

    monkeypatch.setattr(commands, "merge", fail)
    assert run("merge", "r.yaml", "out")[2] == "mergesmith: \\x1b[31mred\\u202e\nmergesmith: second\n"


USAGE = {
    ("foo",): "No such command 'foo'; see `mergesmith --help`",
    ("plan",): "Missing argument 'RECIPE'; see `mergesmith plan --help`",
    ("merge", "r.yaml"): "Missing argument 'OUT'; see `mergesmith merge --help`",
    ("plan", "r.yaml", "--nope"): "No such option: --nope; see `mergesmith plan --help`",
    ("publish", "r.yaml", "--runner", "local"): "No such option: --runner; see `mergesmith publish --help`",
    ("verify", "nosuch"): "nosuch: no such folder, and no name on the Hub; expected a folder or namespace/name",
    ("plan", "r.yaml", "--format", "xml"): "--format xml: expected one of text, markdown, json",
    ("merge", "r.yaml", "out", "--events", "xml"): "--events xml: only json is known",
    ("merge", "r.yaml", "out", "--memory", "big"): (
        "--memory: 'big' is not a size; expected 5GB, 500MB, 2GiB or a number of bytes"
    ),
    ("merge", "r.yaml", "out", "--out-shard-size", "5GB"): (
        "--out-shard-size: '5GB' is not a size; expected a number and K, M or B, such as 5B or 500M"
    ),
    ("merge", "r.yaml", "out", "--device", "tpu"): "--device tpu: expected cpu, cuda or auto",
    ("methods", "tise"): "no method 'tise'; did you mean ties?",
    ("card", "a"): "a has no merge.record.json; name a folder that `mergesmith merge` made",
}


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_mistakes_on_the_command_line(run, arguments):
    assert run(*arguments) == (1, "", f"mergesmith: {USAGE[arguments]}\n")
    assert not Path("out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there(run):
    built = f"is built for CUDA {torch.version.cuda}" if torch.version.cuda else "is built for the CPU alone"
    assert run("merge", "r.yaml", "out", "--device", "cuda") == (
        1,
        "",
        f"mergesmith: --device cuda: no GPU was found, and torch {torch.__version__} {built}; "
        "use --device cpu, which gives the same bytes\n",
    )
    assert not Path("out").exists()
    assert run("merge", "r.yaml", "out", "--device", "auto", "--quiet") == (0, "", "")


def test_threads_must_be_one_at_least(run):
    status, _, err = run("merge", "r.yaml", "out", "--threads", "0")
    assert status == 1
    assert err.startswith("mergesmith: Invalid value for '--threads': ")


def test_version(run):
    assert run("--version") == (0, f"mergesmith {ENGINE}\n", "")


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")


COMMANDS = ("plan", "lock", "merge", "publish", "card", "verify", "methods", "demo", "devhub")


def test_help_lists_every_command_in_a_whole_sentence(run, narrow):
    status, out, err = run("--help")
    assert run() == (status, out, err) == (0, out, "")
    listed = out[out.index("Commands:") :].splitlines()[1:]
    assert [line.split()[0] for line in listed] == list(COMMANDS)
    assert all(line.endswith(".") and not line.endswith("..") for line in listed)
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_is_free_of_noise(run, narrow, command):
    status, out, err = run(command, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"Usage: mergesmith {command} [OPTIONS]")
    assert max(map(len, out.splitlines())) <= 80
    assert not set(out) & set("<>{}")


def test_what_is_not_built_is_not_in_the_help(run, narrow):
    for command in COMMANDS:
        _, out, _ = run(command, "--help")
        assert "--runner" not in out
        assert ("--device" in out) is (command in {"merge", "publish"})


def test_methods(run):
    status, out, err = run("methods")
    assert (status, err) == (0, "")
    names = [line.split()[0] for line in out.splitlines()]
    assert names[:5] == ["linear", "slerp", "nuslerp", "multislerp", "karcher"]
    assert names == list(METHODS)


def test_one_method(run):
    assert run("methods", "slerp") == (
        0,
        "slerp: blend two models along the arc between them, so that neither loses its length\n"
        "\n"
        "  (sin((1-t)θ)·a + sin(tθ)·b) / sin θ, where θ is the angle between a and b\n"
        "\n"
        "  takes a base model and one other\n"
        "\n"
        "  parameters for all:\n"
        "    t              required   0 is the base model, 1 the other one (0 to 1)\n",
        "",
    )


def test_a_method_with_long_names_and_perhaps_a_base(run):
    assert run("methods", "nuslerp") == (
        0,
        "nuslerp: blend two models, or two task vectors, along the arc between them, by weights\n"
        "\n"
        "  (sin((1-t)θ)·a + sin(tθ)·b) / sin θ, where θ is the angle between a and b and t = w₂ / (w₁ + w₂)\n"
        "\n"
        "  takes exactly two models, and perhaps a base model\n"
        "\n"
        "  parameters per model:\n"
        "    weight         required   share of this model in the blend\n"
        "\n"
        "  parameters for all:\n"
        "    nuslerp_flatten  true       take the whole tensor as one vector\n"
        "    nuslerp_row_wise false      "
        "if it is not flattened, take vectors along the first dimension and not along the last\n",
        "",
    )


def test_one_method_with_all_kinds_of_parameters(run):
    status, out, _ = run("methods", "dare_ties")
    assert status == 0
    rows = [" ".join(line.split()) for line in out.splitlines()]
    assert "takes a base model and one or more others" in rows
    assert rows[rows.index("parameters per model:") + 1 : rows.index("parameters for all:") - 1] == [
        "weight required factor of this model's task vector",
        "density 1.0 share of the task vector that is kept (0 to 1)",
    ]
    assert (
        "rescale_norm density make up by dividing what is kept by its probability, as the paper does, or by the ratio "
        "of L1 norms, as mergekit does"
    ) in rows
    assert rows[-1] == "paper: https://arxiv.org/abs/2311.03099"


def test_the_card_is_rendered_again(run):
    run("merge", "r.yaml", "out")
    card = Path("out/README.md").read_bytes()
    Path("out/README.md").write_text("lost")
    assert run("card", "out") == (0, "wrote out/README.md\n", "")
    assert Path("out/README.md").read_bytes() == card


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_and_terminating_a_process(here, devhub, signum):
    devhub.store.create_repo("alice/a", "alice")
    devhub.store.commit_files("alice/a", {path.name: path for path in sorted(Path("a").iterdir())}, "Upload")
    Path("r.yaml").write_text("models: [{model: alice/a, parameters: {weight: 1}}]\nmerge_method: linear\n")
    # every read of weights takes half a second, so that 21 tensors are not done before the signal comes
    devhub.inject("contents", delay=0.5, times=99)
    process = started("merge", "r.yaml", "out", "--threads", "1", "--events", "json", HF_ENDPOINT=devhub.endpoint)
    assert '"started"' in process.stdout.readline()
    process.send_signal(signum)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err + out
    assert err == "mergesmith: interrupted; what is finished is kept, and the same command goes on from there\n"


def test_a_reader_that_leaves_early_is_no_bug(here):
    process = started("plan", *["r.yaml"] * 40, "--format", "json")
    process.stdout.read(1)
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) in {0, 1}
    assert err == ""


def test_a_console_that_knows_no_unicode(here):
    for form in ("text", "json", "markdown"):
        process = started("plan", "r.yaml", "--format", form, PYTHONIOENCODING="ascii")
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        assert "4.94 k" in out or '"parameters": 4944' in out


def test_a_plan_takes_about_a_second(here):
    began = time.monotonic()
    process = started("plan", "r.yaml")
    _, err = process.communicate(timeout=60)
    sys.stdout.write(f"mergesmith plan: {time.monotonic() - began:.2f} s\n")
    assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize("repo", ["bad", "a/b/c", "a b/c!"])
def test_a_target_that_is_no_name_is_refused_at_once(repo, run):
    expected = f"mergesmith: --repo {repo}: no repo on the Hub; expected NAMESPACE/NAME\n"
    assert run("plan", "r.yaml", "--repo", repo) == (1, "", expected)


def test_a_mistake_in_the_text_hides_no_model_that_does_not_fit(run):
    small = families.Shape(layers=2, width=32, vocab=40)
    families.write_model(Path("small"), families.random_tensors(small, 3), families.config_of(small))
    Path("two.yaml").write_text(
        "models:\n"
        "  - model: ./a\n"
        "    parameters: {weight: 1, densty: 2}\n"
        "  - model: ./small\n"
        "    parameters: {weight: 1}\n"
        "merge_method: linear\n"
    )
    status, out, err = run("plan", "two.yaml")
    assert (status, out) == (2, "")
    assert err == (
        "two.yaml:3:29: `linear` has no parameter `densty`; it takes weight\n"
        "two.yaml:4:5: ./small does not fit ./a: tensor 'lm_head.weight' is [40, 32] there and [32, 16] here "
        "(and 20 more like it); merge models of the same size\n"
    )
