"""The worker: waits for calls, gives each to its kernel on the GPU, copies the answer back. Protected.

A call is done when its outputs lie in the harness's memory, so whatever runs on the GPU has ended by then. A run that was given no
GPU runs on the processor, for tests; one that was given one and cannot use it fails.
"""

import os
import sys
from collections.abc import Sequence
from mmap import mmap
from pathlib import Path

import torch
from harness_link.link import work

sys.path.append(str(Path(__file__).resolve().parent.parent))

from src import attn, decode, neardup, qmm, xent

DEVICE = torch.device(os.environ["RSI_DEVICE"])
BOUNDARY = 64
"""Bytes; every array begins at a multiple of it."""


class Memory:
    """The arrays of one call, one after the other."""

    def __init__(self, given: mmap, out: mmap) -> None:
        self._given, self._out = given, out
        self._read = self._written = 0

    def take(self, dtype: torch.dtype, *shape: int) -> torch.Tensor:
        """The next input, on the GPU."""
        count = 1
        for size in shape:
            count *= size
        if count == 0:
            return torch.empty(shape, dtype=dtype, device=DEVICE)
        host = torch.frombuffer(self._given, dtype=dtype, count=count, offset=self._read)
        self._read += -(-host.nbytes // BOUNDARY) * BOUNDARY
        return host.to(DEVICE, copy=True).view(shape)

    def give(self, dtype: torch.dtype, *outputs: torch.Tensor) -> None:
        """The outputs, in their order."""
        for each in outputs:
            if each.numel():
                place = torch.frombuffer(
                    self._out, dtype=dtype, count=each.numel(), offset=self._written
                )
                place.copy_(each.detach().to(dtype).reshape(-1))
            self._written += -(-each.numel() * 4 // BOUNDARY) * BOUNDARY


def do_qmm(words: Sequence[int], memory: Memory) -> None:
    m, n, k = words[:3]
    a, b = memory.take(torch.int8, m, k), memory.take(torch.int8, k, n)
    memory.give(torch.int32, qmm.qmm(a, b))


def do_attn(words: Sequence[int], memory: Memory) -> None:
    q, k, v, dout = (memory.take(torch.float32, *words[:3]) for _ in range(4))
    memory.give(torch.float32, *attn.attn(q, k, v, dout))


def do_xent(words: Sequence[int], memory: Memory) -> None:
    rows, width, vocabulary = words[:3]
    x, scale = memory.take(torch.float32, rows, width), memory.take(torch.float32, width)
    shift, w = memory.take(torch.float32, width), memory.take(torch.float32, vocabulary, width)
    memory.give(
        torch.float32, *xent.xent(x, scale, shift, w, memory.take(torch.int32, rows).long())
    )


def do_decode(words: Sequence[int], memory: Memory) -> None:
    vocabulary, length, width, layers, heads, batch, prompt, count, numbers = words[:9]
    weights = memory.take(torch.float32, numbers)
    prompts = memory.take(torch.int32, batch, prompt).long()
    sizes = decode.Sizes(vocabulary, length, width, layers, heads)
    memory.give(torch.int32, decode.decode(sizes, weights, prompts, count))


def do_neardup(words: Sequence[int], memory: Memory) -> None:
    documents, percent, tokens = words[:3]
    starts = memory.take(torch.int32, documents + 1).long()
    found = neardup.neardup(starts, memory.take(torch.int32, tokens).long(), percent)
    count = torch.tensor([len(found)], device=DEVICE)
    memory.give(torch.int32, torch.cat([count, found.reshape(-1)]))


KERNELS = (do_qmm, do_attn, do_xent, do_decode, do_neardup)


def handle(words: Sequence[int], given: mmap, out: mmap) -> int:
    """Do one call; 0 when it is done."""
    KERNELS[words[0]](words[1:], Memory(given, out))
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return 0


if __name__ == "__main__":
    work(handle)
