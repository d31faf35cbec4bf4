"""StridedNet trained as a PyTorch user would: DataLoader, autocast, fused Adam, channels last."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.input_rates import pytorch_loader
from benchmarks.training_course import BATCH_NORM_MOMENTUM, PEAK_RATE, share_of_peak, tell_epoch


def training_step(
    precision: str, images: np.ndarray, labels: np.ndarray, classes: int
) -> Callable[[], object]:
    """A step on the same batch each time."""
    trained = _Trained(classes, precision)
    batch = torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels)
    return lambda: trained.step(*batch)


def train(images: Path, precision: str, epochs: int, seed: int) -> None:
    """Trains on `images`/train and evaluates on `images`/test after each epoch."""
    torch.manual_seed(seed)
    batches = pytorch_loader(images / "train", augmented=True, shuffle=True, drop_last=True)
    test_batches = pytorch_loader(images / "test", augmented=False)
    steps = epochs * len(batches)
    trained = _Trained(len(batches.dataset.classes), precision)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        trained.optimizer, partial(share_of_peak, total_steps=steps)
    )
    for _ in range(epochs):
        begun = time.perf_counter()
        for batch in batches:
            trained.step(*batch)
            schedule.step()
        train_seconds = time.perf_counter() - begun
        tell_epoch(len(batches) * batches.batch_size, train_seconds, trained.accuracy(test_batches))


class _Trained:
    """A network in training, and its optimizer."""

    def __init__(self, classes: int, precision: str) -> None:
        self.network = strided_net(classes).to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), PEAK_RATE, eps=1e-7, fused=True
        )
        self._autocast = torch.autocast(
            "cpu", torch.bfloat16, enabled=precision == "mixed_bfloat16"
        )
        self._sums = torch.zeros(2)

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """Takes a step; loss and right answers are counted, as ours and Keras do."""
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        answers = self._answers(images)
        loss = nn.functional.cross_entropy(answers, labels)
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            self._sums += torch.stack([loss, (answers.argmax(1) == labels).sum()])

    def accuracy(self, batches: Iterable) -> float:
        """The share of right answers, in [0, 1]."""
        self.network.eval()
        with torch.inference_mode():
            right = [self._answers(images).argmax(1) == labels for images, labels in batches]
        return torch.cat(right).float().mean().item()

    def _answers(self, images: torch.Tensor) -> torch.Tensor:
        with self._autocast:
            return self.network(images.to(memory_format=torch.channels_last)).float()


def strided_net(classes: int) -> nn.Module:
    """The network of `model.strided_net`, for images of 96x96, drawn and normalized as it is.

    But for the padding of the last stride, from 12 to 6 pixels, which is symmetric here.
    """
    network = nn.Sequential(
        nn.Conv2d(3, 16, 7, stride=2),
        *_pair(16, 32),
        *_pair(32, 64),
        *_pair(64, 128),
        nn.Flatten(),
        nn.Linear(128 * 6 * 6, 512),
        nn.ReLU(),
        nn.BatchNorm1d(512, eps=1e-3, momentum=1 - BATCH_NORM_MOMENTUM),
        nn.Dropout(0.5),
        nn.Linear(512, classes),
    )
    for layer in network:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    nn.init.xavier_uniform_(network[-1].weight)
    return network


def _pair(channels: int, filters: int) -> list[nn.Module]:
    return [
        *_convolved(nn.Conv2d(channels, filters, 3, padding=1)),
        *_convolved(nn.Conv2d(filters, filters, 3, stride=2, padding=1)),
        nn.Dropout(0.25),
    ]


def _convolved(convolution: nn.Conv2d) -> list[nn.Module]:
    normalization = nn.BatchNorm2d(
        convolution.out_channels, eps=1e-3, momentum=1 - BATCH_NORM_MOMENTUM
    )
    return [convolution, nn.ReLU(), normalization]
