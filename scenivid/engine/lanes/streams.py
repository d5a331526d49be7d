"""Stages on CUDA: a stream for each, and results that have arrived on the host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch

from scenivid.engine.lanes.batches import Batch


def on_streams(device: torch.device) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]] | None:
    """Around each stage on CUDA: a stream of its own that waits for the stage before, never the host."""
    if device.type != "cuda":
        return None

    def wrap(stage: Callable[[Any], Any]) -> Callable[[Any], Any]:
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

        def run(batch: Batch) -> Batch:
            with torch.cuda.stream(stream):
                if batch.ready is not None:
                    stream.wait_event(batch.ready)
                for tensor in batch.tensors():
                    if tensor.is_cuda:
                        tensor.record_stream(stream)
                result = stage(batch)
                event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
                event.record(stream)
                done: Batch = replace(result, ready=event)
            return done

        return run

    return wrap


def arrived(batches: Iterable[Batch]) -> Iterator[Batch]:
    """The same batches, once their pixels have arrived on the host."""
    for batch in batches:
        if batch.ready is not None:
            batch.ready.synchronize()
        yield batch
