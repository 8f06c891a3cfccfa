"""Policies as ONNX graphs that any runtime can ask, checked before they are kept.

A graph is traced from the code that acts in both shells, so that it has what that has: statistics
that observations are normalised by, the trunk, the head, the rungs that an observation rules out.
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from assume_rl.errors import ConfigurationError, PolicyError, uninstalled
from assume_rl.experiments.policies_on_disk.about import PRODUCER, check_same, metadata
from assume_rl.experiments.policies_on_disk.graph import (
    MASK,
    MEMORY,
    NEXT_MEMORY,
    RUNG,
    PolicyGraph,
)
from assume_rl.experiments.policies_on_disk.saved import SavedPolicy, answers, probes
from assume_rl.learning.nets.heads import head_of
from assume_rl.learning.nets.stack import ActorStack
from assume_rl.learning.policies.manifest import file_name

STEPS = 4
"""Decisions in a row that policies with memory are compared on."""

LIBRARIES = ("onnx", "onnxruntime", "onnxscript")
LOGGERS = ("torch.onnx", "onnxscript", "onnx_ir")
"""Of libraries that note what they do and what else is not installed."""


def onnx_files(policies: Sequence[SavedPolicy]) -> dict[str, bytes]:
    """Return a graph for each policy, by the name of its file.

    :param policies: to be exported
    :raises ConfigurationError: a library is not installed
    :raises PolicyError: a policy has no such form, or its graph would act otherwise
    """
    for library in LIBRARIES:
        _library(library)
    traced: dict[object, Any] = {}
    files: dict[str, bytes] = {}
    for policy in policies:
        kind = _kind(policy.actor)
        if kind not in traced:
            traced[kind] = trace(policy)
        content = onnx_content(traced[kind], policy)
        check_graph(policy, content)
        files[Path(file_name(policy.name)).with_suffix(".onnx").name] = content
    return files


def trace(policy: SavedPolicy) -> Any:
    """Return the graph of all policies of a kind, whose weights are inputs.

    :param policy: one of them
    :raises PolicyError: it does something that ONNX has no form for
    """
    module = PolicyGraph(policy.actor)
    given = _given(policy, probes(policy, 2))
    rows = torch.export.Dim("row")
    with _quiet():
        try:
            program = torch.onnx.export(
                module,
                (list(given.values()), list(policy.actor.weights.values())),
                input_names=[*module.inputs, *policy.actor.weights],
                output_names=list(module.outputs),
                dynamic_shapes={
                    "given": [{0: rows} for _ in given],
                    "weights": [None] * len(policy.actor.weights),
                },
                dynamo=True,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            why = str(error.__cause__ or error).strip().partition("\n")[0]
            raise PolicyError(f"policy '{policy.name}' has no form in ONNX: {why}") from None
    assert program is not None  # it is where dynamo traces
    return program.model_proto


def onnx_content(traced: Any, policy: SavedPolicy) -> bytes:
    """Return the file of a policy: a graph with its weights in it.

    :param traced: graph of its kind, see `trace`
    :param policy: to be written
    """
    onnx = _library("onnx")
    proto = onnx.ModelProto()
    proto.CopyFrom(traced)
    weights = policy.actor.weights
    given = [own for own in proto.graph.input if own.name not in weights]
    del proto.graph.input[:]
    proto.graph.input.extend(given)
    proto.graph.initializer.extend(
        onnx.numpy_helper.from_array(weight.contiguous().numpy(), name)
        for name, weight in weights.items()
    )
    proto.producer_name, proto.doc_string = PRODUCER, f"policy of {policy.name}"
    onnx.helper.set_model_props(proto, metadata(policy))
    content: bytes = proto.SerializeToString()
    return content


def _kind(actor: ActorStack) -> object:
    """Return a key that is equal for actors whose graphs differ in their numbers only."""
    shapes = tuple((name, weight.shape, weight.dtype) for name, weight in actor.weights.items())
    return actor.architecture, actor.head, actor.activation, shapes


def check_graph(policy: SavedPolicy, content: bytes) -> None:
    """Ask a graph and its policy on the same observations.

    :param policy: as it acts here
    :param content: its graph
    :raises PolicyError: an action, or a probability, differs by more than rounding
    """
    runtime = _library("onnxruntime")
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [own.name for own in session.get_outputs()]
    asked = probes(policy).chunk(STEPS if policy.actor.memory_size else 1)
    memory: Tensor | None = None
    worst = 0.0
    for obs in asked:
        given = _given(policy, obs, memory)
        feed = {name: tensor.numpy() for name, tensor in given.items()}
        found = dict(zip(names, map(torch.from_numpy, session.run(None, feed)), strict=True))
        acts, memory = _acts(policy, obs, given.get(MEMORY))
        own = found[names[0]].view_as(acts)
        worst = max(worst, float((own - acts).abs().max()))
        if RUNG in found:
            place = found[RUNG].to(acts) * (2.0 / (policy.rungs - 1)) - 1.0
            worst = max(worst, float((place.unsqueeze(-1) - acts).abs().max()))
        if memory is not None:
            worst = max(worst, float((found[NEXT_MEMORY] - memory).abs().max()))
    check_same(policy, "ONNX graph", worst)


@torch.inference_mode()
def _acts(policy: SavedPolicy, obs: Tensor, memory: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return a policy's actions, see `answers`, and its memory at the next decision.

    :param policy: asked
    :param obs: `(row, obs)`
    :param memory: before it; None: the policy has none
    """
    if memory is None:
        return answers(policy, obs), None
    out, after = policy.actor.outputs_after(obs[:, None], memory[:, None])
    head: Any = head_of(policy.actor.head)
    acts = head.shares(out) if policy.actor.mixed else head.mean(out).unsqueeze(-1)
    return acts[:, 0], after[:, 0]


def _given(policy: SavedPolicy, obs: Tensor, memory: Tensor | None = None) -> dict[str, Tensor]:
    """Return the inputs of a graph, in order: nothing more is ruled out, nothing remembered yet.

    :param policy: of the graph
    :param obs: `(row, obs)`
    :param memory: `(row, entry)`; None: that of an episode's beginning
    """
    rows, act_size = len(obs), policy.sizes[1]
    known = {
        "observation": obs,
        MASK: torch.ones(rows, act_size, policy.rungs, dtype=torch.bool),
        MEMORY: obs.new_zeros(rows, policy.actor.memory_size) if memory is None else memory,
    }
    return {name: known[name] for name in PolicyGraph(policy.actor).inputs}


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise ConfigurationError(uninstalled("ONNX", name, "onnx")) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence messages of libraries that users cannot act on."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [own.level for own in loggers]
    try:
        for own in loggers:
            own.setLevel(logging.ERROR)
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for own, level in zip(loggers, before, strict=True):
            own.setLevel(level)
