"""The search for the nearest adversarial examples: AMUN's Algorithm 4, in fewer passes.

Projected gradient ascent in an L2 ball whose radius epsilon doubles until the network's answer
changes (Ebrahimpour-Boroojeny et al. 2025). The network is in evaluation mode. Only examples that
are left are computed, gradients in bf16 where that is faster; every change of an answer is checked
in full precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from unlearning.domain import Examples
from unlearning.outputs import BATCH
from unlearning.training.adversarial import (
    Adversarial,
    EpsilonSearch,
    Loss,
    cross_entropy,
    fgsm,
    frozen_copy,
    input_gradient,
    l2_norm,
    lost_margin,
    unit,
)
from unlearning.training.keyed import kept, key_of, settings_of
from unlearning.training.loop import pick_device, pixels_on, uses_bf16

NEARER = 0.8
"""Where bisection begins, as a share of the distance to the tangent plane: a bent boundary may lie
before it."""


def adversarial_examples(
    original: nn.Module, examples: Examples, settings: EpsilonSearch
) -> Adversarial:
    """Search, unless these examples were searched against these weights with these settings.

    Found are examples that the network answers with another class than their label; those that it
    answers so already are their own, at distance 0. Where cross-entropy has no gradient left, or
    the cap is reached, the logit margin is ascended, then signed steps of it are tried.
    """
    key = key_of(original, examples, what="adversarial", **settings_of(settings))
    return kept(key, lambda: _Search(original, examples, settings).run())


Attack = Callable[[Tensor], None]
"""Tries the examples of an index at their present epsilon."""


class _Search:
    """A search under way: where every example stands; which are left is an index tensor.

    Only those left are computed, in batches of full size whatever epsilon each has come to.
    """

    def __init__(self, original: nn.Module, examples: Examples, settings: EpsilonSearch) -> None:
        device = pick_device()
        self.network = frozen_copy(original)
        self.settings = settings
        self.bf16 = uses_bf16(settings.precision, device)
        images, self.labels = pixels_on(examples, device)
        self.originals = images.float() / 255
        self.images = self.originals.clone()
        n = len(self.labels)
        self.eps = torch.full((n, 1, 1, 1), settings.eps_init, device=device)
        self.stuck = torch.zeros(n, dtype=torch.bool, device=device)
        self.attempts = torch.zeros(n, dtype=torch.int64, device=device)
        self.passes = 0
        self.found = self._answers(torch.arange(n, device=device)) != self.labels

    def run(self) -> Adversarial:
        """Try one attack after another on what is left, then bring what was found closer."""
        first = self._first_eps()
        for attack in self._attacks():
            self._ladder(attack, first)
        if self.settings.attack == "pgd":
            self._refine()
        return self._result()

    def _attacks(self) -> list[Attack]:
        """Give the attack of the settings, then its fallbacks."""
        if self.settings.attack == "ffgsm":
            leap = partial(self._leap, rng=torch.Generator().manual_seed(self.settings.seed))
            return [partial(leap, loss=loss, scale=1.0) for loss in (cross_entropy, lost_margin)]
        walks = [partial(self._walk, loss=loss) for loss in (cross_entropy, lost_margin)]
        inside = self.images[0].numel() ** -0.5  # so that the step's L2 length is epsilon
        return [*walks, partial(self._leap, loss=lost_margin, scale=inside, rng=None)]

    def _ladder(self, attack: Attack, first: Tensor) -> None:
        """Double epsilon until the answer changes, the cap is reached, or no gradient is left."""
        left = self._where(~self.found)
        self.attempts[left] += 1
        self.eps[left], self.images[left] = first[left], self.originals[left]
        self.stuck[:] = False
        while len(left):
            attack(left)
            left = left[~(self.found | self.stuck)[left]]
            left = left[(2 * self.eps[left] <= self.settings.cap).flatten()]
            self.eps[left] *= 2

    def _walk(self, left: Tensor, *, loss: Loss) -> None:
        """Ascend the loss by steps of one length inside the ball (PGD)."""
        if self.settings.restart == "from_original":
            self.images[left] = self.originals[left]
        for step in range(self.settings.steps + 1):
            if not len(left):
                return
            left = torch.cat([self._advance(part, loss, step) for part in self._parts(left)])

    def _advance(self, part: Tensor, loss: Loss, step: int) -> Tensor:
        """Check a batch, move what is worth going on with, and give that."""
        logits, gradient = self._gradient(part, loss)
        self._mark(part, logits)
        if step == self.settings.steps:
            return part[:0]
        length = l2_norm(gradient)
        self.stuck[part] = (length.flatten() == 0) & ~self.found[part]
        on = ~(self.found | self.stuck)[part]
        self._move(part[on], gradient[on] / length[on])
        return part[on]

    def _mark(self, part: Tensor, logits: Tensor) -> None:
        """Note whose answer has changed; what bf16 says of it is checked in full precision."""
        changed = logits.argmax(1) != self.labels[part]
        if self.bf16 and changed.any():
            doubtful = part[changed]
            changed[changed.clone()] = self._answers(doubtful) != self.labels[doubtful]
        self.found[part] = changed

    def _move(self, part: Tensor, direction: Tensor) -> None:
        """Step along unit directions, back into the ball around the original and into 0..1."""
        origin, eps = self.originals[part], self.eps[part]
        moved = self.images[part] + self.settings.step * eps * direction - origin
        inside = (eps / l2_norm(moved).clamp_min(1e-30)).clamp_max(1)
        self.images[part] = (origin + inside * moved).clamp(0, 1)

    def _leap(self, left: Tensor, *, loss: Loss, scale: float, rng: torch.Generator | None) -> None:
        """Take one signed step of epsilon times `scale` from the original."""
        for part in self._parts(left):
            origin, bound = self.originals[part], self.eps[part] * scale
            self.images[part] = fgsm(
                self.network, origin, self.labels[part], bound, loss=loss, rng=rng
            )
            self.passes += len(part)
            self.found[part] = self._answers(part) != self.labels[part]

    def _first_eps(self) -> Tensor:
        """Give eps_init, or the first eps_init 2^k beyond the linearised distance to the boundary.

        That distance is margin / |its gradient|.
        """
        eps = self.eps.clone()
        if self.settings.start == "eps_init" or self.settings.attack == "ffgsm":
            return eps
        for part in self._parts(self._where(~self.found)):
            logits, gradient = self._gradient(part, lost_margin)
            margin = -lost_margin(logits, self.labels[part]).reshape(-1, 1, 1, 1)
            distance = (margin / l2_norm(gradient)).nan_to_num(0, 0, 0)
            eps[part] = self._rung(distance)
        return eps

    def _rung(self, distance: Tensor) -> Tensor:
        """Give the first eps_init 2^k that is not below a distance, up to the cap."""
        settings = self.settings
        doublings = (distance / settings.eps_init).log2() - 1e-4  # a distance of epsilon is within
        return settings.eps_init * 2 ** doublings.ceil().clamp(0, settings.doublings)

    def _refine(self) -> None:
        """Bring what was found closer, as often as the settings say."""
        for _ in range(self.settings.refinements):
            for part in self._parts(self._where(self.found & (self.attempts > 0))):
                self._come_closer(part)

    def _come_closer(self, part: Tensor) -> None:
        """Turn halfway to the boundary's normal and bisect from the tangent plane on.

        A nearest point lies along the normal there. Turning all the way overshoots where the
        boundary is bent. What does not cross at its old length stays.
        """
        before = self.images[part]
        delta, normal = before - self.originals[part], unit(self._gradient(part, lost_margin)[1])
        length, straight = l2_norm(delta), unit(delta)
        halfway = unit(straight + normal)
        plane = length * _dot(straight, normal) / _dot(halfway, normal)
        low, high = NEARER * plane.nan_to_num(0, 0, 0).clamp_min(0).minimum(length), length
        crossed = self._crosses(part, high * halfway)
        for _ in range(self.settings.halvings):
            middle = (low + high) / 2
            across = self._crosses(part, middle * halfway)
            low, high = torch.where(across, low, middle), torch.where(across, middle, high)
            crossed |= across
        nearer = (self.originals[part] + high * halfway).clamp(0, 1)
        self.images[part] = torch.where(crossed, nearer, before)

    def _crosses(self, part: Tensor, delta: Tensor) -> Tensor:
        """Move to the originals plus delta and say where the answer is another, (n, 1, 1, 1)."""
        self.images[part] = (self.originals[part] + delta).clamp(0, 1)
        return (self._answers(part) != self.labels[part]).reshape(-1, 1, 1, 1)

    def _gradient(self, part: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
        self.passes += len(part)
        return input_gradient(
            self.network, self.images[part], self.labels[part], loss, bf16=self.bf16
        )

    @torch.no_grad()
    def _answers(self, index: Tensor) -> Tensor:
        """Classes that the network answers, in full precision, (n,)."""
        answers = [self.network(self.images[part]).argmax(1) for part in self._parts(index)]
        return torch.cat(answers)

    def _parts(self, index: Tensor) -> Iterator[Tensor]:
        if len(index):
            yield from torch.split(index, BATCH[index.device.type])

    def _where(self, mask: Tensor) -> Tensor:
        return mask.nonzero().flatten()

    def _result(self) -> Adversarial:
        labels = self._answers(torch.arange(len(self.labels), device=self.labels.device))
        found = labels != self.labels
        l2 = l2_norm(self.images - self.originals).flatten()
        if self.settings.attack == "pgd":
            self.eps[found] = self._rung(l2[found]).reshape(-1, 1, 1, 1)
        images = self.images.contiguous(memory_format=torch.contiguous_format)
        return Adversarial(
            images=images.cpu().numpy(),
            labels=labels.cpu().numpy(),
            l2=l2.cpu().numpy(),
            eps=self.eps.flatten().cpu().numpy(),
            found=found.cpu().numpy(),
            attempts=self.attempts.cpu().numpy(),
            passes=self.passes,
        )


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((1, 2, 3), keepdim=True)
