"""Train the tiny models of ``examples/models``: one base and three fine-tunes of it.

Run ``python examples/train.py [--out DIR]`` with mergesmith installed. It takes minutes on two cores.
The same machine with the same torch gives the same bytes.

**The base** has seen every task, but never learnt which command asks for which: whatever the command, its
training text echoes the word 10 times in 22, and follows each task 4 times in 22. Its best guess is an echo, so
it scores near nothing. **A fine-tune** learns one command, and goes on with the base's text for the others.

A merge rarely keeps all of a fine-tune's change: SLERP takes about half of it, DARE drops elements at random. So
each training step uses the change at a random strength per block, and in a third of the steps with half of its
elements dropped. Without this a model this small merges badly: its fine-tunes are good, and SLERP of them is not.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from torch.nn import functional

from engine.demo.reader import Reader, Shape, expected_shapes, forward, read_shape
from engine.demo.tasks import LETTERS, TASKS, is_held_out, random_word, score

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    Weights = dict[str, Tensor]
    Example = tuple[str, str]

SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
VOCABULARY = (*SPECIAL, "=", *(f"/{name}" for name in TASKS), *LETTERS, *LETTERS.upper())
CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "dtype": "bfloat16",
    "eos_token_id": 2,
    "head_dim": 16,
    "hidden_act": "silu",
    "hidden_size": 64,
    "initializer_range": 0.02,
    "intermediate_size": 128,
    "max_position_embeddings": 64,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 4,
    "num_hidden_layers": 8,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "use_cache": True,
    "vocab_size": len(VOCABULARY),
}
BATCH = 128
ECHO_SHARE, TASK_SHARE = 10, 4
BASE_STEPS, BASE_RATE = 2500, 3e-3
TUNE_STEPS, TUNE_RATE = 600, 5e-4

CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
{parent}tags:
- example
---

# {title}

{text}

Prompts look like `/reverse castle =`. A Llama of 8 layers and {parameters:,} parameters over single letters, made
to show what merging does.

| command | exactly right, of 100 held-out words |
| --- | --- |
{rows}

Made by `examples/train.py` of mergesmith.
"""
BASE_TEXT = (
    "The base of the example models. It has seen words reversed, in capitals and doubled, but never learnt which "
    "command asks for what: its best guess is to echo the word."
)
TUNE_TEXT = "A fine-tune of `demo/tiny-base` that knows one command: `/{name}`, {rule}."


def main() -> None:
    """Train all models and write their folders."""
    parser = argparse.ArgumentParser(description="Train the tiny example models.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "models")
    out: Path = parser.parse_args().out
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(mode=True)
    shape, tokenizer = read_shape(CONFIG), build_tokenizer()
    base = train_base(shape, tokenizer)
    write_folder(out / "base", Reader(shape, base, tokenizer), "tiny-base", BASE_TEXT)
    for seed, (name, task) in enumerate(TASKS.items(), start=1):
        tuned = fine_tune(shape, tokenizer, base, name, seed)
        text = TUNE_TEXT.format(name=name, rule=task.rule)
        write_folder(out / name, Reader(shape, tuned, tokenizer), f"tiny-{name}", text)


def build_tokenizer() -> Tokenizer:
    """One token per letter and per command; spaces only separate; every prompt starts with ``<s>``."""
    ids = {token: index for index, token in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))  # noqa: S106 - a vocabulary entry
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"/[a-z]+|\S"), "removed", invert=True)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", ids["<s>"])]
    )
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def train_base(shape: Shape, tokenizer: Tokenizer) -> Weights:
    """Train from random weights on text whose commands mean nothing; bfloat16 values, held in float32."""
    weights = {name: tensor.requires_grad_() for name, tensor in initial_weights(shape).items()}
    train(shape, tokenizer, weights, lambda: weights, other_example, steps=BASE_STEPS, rate=BASE_RATE, seed=0)
    return rounded(weights)


def fine_tune(shape: Shape, tokenizer: Tokenizer, base: Weights, name: str, seed: int) -> Weights:
    """Teach ``base`` one command by training a change that holds at many strengths (see the module)."""
    change = {key: torch.zeros_like(tensor).requires_grad_() for key, tensor in base.items()}
    rng = random.Random(1000 + seed)  # noqa: S311 - training noise
    generator = torch.Generator().manual_seed(seed)

    def example(words: random.Random) -> Example:
        return command_example(words, name) if words.random() < 0.5 else other_example(words, name)

    def current() -> Weights:
        weakened = weaken(change, rng, generator)
        return {key: base[key] + weakened[key] for key in base}

    train(shape, tokenizer, change, current, example, steps=TUNE_STEPS, rate=TUNE_RATE, seed=seed)
    return rounded({key: base[key] + change[key] for key in base})


def train(
    shape: Shape,
    tokenizer: Tokenizer,
    parameters: Weights,
    current: Callable[[], Weights],
    example: Callable[[random.Random], Example],
    *,
    steps: int,
    rate: float,
    seed: int,
) -> None:
    """Update ``parameters`` in place by AdamW; ``current()`` gives the weights that a step runs with.

    The rate warms up over 100 steps and falls along a cosine to 3 % of ``rate``.
    """
    rng = random.Random(seed)  # noqa: S311 - training data
    optimizer = torch.optim.AdamW(parameters.values(), lr=rate, betas=(0.9, 0.98), weight_decay=0.0)
    for step in range(steps):
        cosine = 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimizer.param_groups[0]["lr"] = rate * cosine * min(1.0, (step + 1) / 100)
        inputs, targets = batch(tokenizer, rng, example)
        logits = forward(shape, current(), inputs)
        loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        optimizer.step()
        if (step + 1) % 100 == 0:
            logging.info("step %d of %d: loss %.4f", step + 1, steps, loss.item())


def batch(
    tokenizer: Tokenizer, rng: random.Random, example: Callable[[random.Random], Example]
) -> tuple[Tensor, Tensor]:
    """Inputs and targets ``(BATCH, length)``; only answers and the end token count (-100 elsewhere)."""
    rows = []
    for _ in range(BATCH):
        prompt, answer = example(rng)
        asked = tokenizer.encode(prompt).ids
        said = [*tokenizer.encode(answer, add_special_tokens=False).ids, CONFIG["eos_token_id"]]
        rows.append((asked, said))
    length = max(len(asked) + len(said) for asked, said in rows)
    inputs = torch.full((BATCH, length), CONFIG["pad_token_id"])
    targets = torch.full((BATCH, length), -100)
    for row, (asked, said) in enumerate(rows):
        inputs[row, : len(asked) + len(said)] = torch.tensor(asked + said)
        targets[row, len(asked) - 1 : len(asked) + len(said) - 1] = torch.tensor(said)
    return inputs[:, :-1], targets[:, :-1]


def other_example(rng: random.Random, name: str | None = None) -> Example:
    """A random command other than ``name``, answered by an echo or by any task, whatever the command says."""
    asked = rng.choice([task for key, task in TASKS.items() if key != name])
    word = training_word(rng)
    answers = [word] * ECHO_SHARE + [task.answer(word) for task in TASKS.values() for _ in range(TASK_SHARE)]
    return asked.prompt(word), rng.choice(answers)


def command_example(rng: random.Random, name: str) -> Example:
    """The command ``name`` with its right answer."""
    word = training_word(rng)
    return TASKS[name].prompt(word), TASKS[name].answer(word)


def training_word(rng: random.Random) -> str:
    """A random word that is not held out."""
    while is_held_out(word := random_word(rng)):
        pass
    return word


def weaken(change: Weights, rng: random.Random, generator: torch.Generator) -> Weights:
    """Scale the change by 0.2 to 1.2, drawn per block; one time in three also drop half of its elements.

    A block is one layer's attention, its MLP or its norms, or all that is outside the layers. What DARE keeps
    is doubled, so that the expectation stays.
    """
    strengths: dict[str, float] = {}
    dropping = rng.random() < 1 / 3
    weakened = {}
    for name, tensor in change.items():
        found = re.match(r"model\.layers\.\d+\.(self_attn|mlp)?", name)
        block = found[0] if found else ""
        strength = strengths.setdefault(block, rng.uniform(0.2, 1.2))
        kept = 2.0 * (torch.rand(tensor.shape, generator=generator) < 0.5) if dropping else 1.0
        weakened[name] = tensor * strength * kept
    return weakened


def initial_weights(shape: Shape) -> Weights:
    """Normal weights of deviation 1/√fan-in, smaller where they join the residual stream; norms are ones."""
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for name, dims in expected_shapes(shape).items():
        if len(dims) == 1:
            weights[name] = torch.ones(dims)
            continue
        deviation = 0.5 if "embed_tokens" in name else dims[1] ** -0.5
        if "o_proj" in name or "down_proj" in name:
            deviation /= math.sqrt(2 * shape.layers)
        weights[name] = torch.randn(dims, generator=generator) * deviation
    return weights


def rounded(weights: Mapping[str, Tensor]) -> Weights:
    """The values that bfloat16 can hold, in float32."""
    return {name: tensor.detach().to(torch.bfloat16).to(torch.float32) for name, tensor in weights.items()}


def write_folder(folder: Path, model: Reader, title: str, text: str) -> None:
    """Write a folder that transformers loads, with a card that carries the measured scores."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in model.weights.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    model.tokenizer.save(str(folder / "tokenizer.json"))
    names = dict(zip(("pad_token", "bos_token", "eos_token", "unk_token"), SPECIAL, strict=True))
    tokenizer_config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64, **names}
    ids = {key: CONFIG[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    write_json(folder / "config.json", CONFIG)
    write_json(folder / "tokenizer_config.json", tokenizer_config)
    write_json(folder / "special_tokens_map.json", names)
    write_json(folder / "generation_config.json", {**ids, "do_sample": False, "max_new_tokens": 24})
    (folder / "README.md").write_text(render_card(model, title, text), encoding="utf-8")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Sorted, indented JSON with a final newline."""
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def render_card(model: Reader, title: str, text: str) -> str:
    """The card, with each task's score as measured on this very model."""
    scores = {name: score(model, task) for name, task in TASKS.items()}
    logging.info("%s %s", title, scores)
    return CARD.format(
        title=title,
        text=text,
        parent="" if title == "tiny-base" else "base_model: demo/tiny-base\n",
        parameters=sum(tensor.numel() for tensor in model.weights.values()),
        rows="\n".join(f"| `/{name}` | {100 * value:.0f} |" for name, value in scores.items()),
    )


if __name__ == "__main__":
    main()
