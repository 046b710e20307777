"""FAMR's bounds (Eqs. 9-11): what each says in numbers, and whether its conditions hold.

A bound of the paper speaks of a convex loss, an exact minimiser and a known Lipschitz constant.
Here each of these is a measured number, and a bound whose condition fails says which. None of it
decides anything, and none of it says that the result is close to a retrained network.
"""

from __future__ import annotations

from dataclasses import dataclass

from unlearning.famr.hessian import Curvature

STATIONARY = 0.01
"""A residual below this share of the forgetting gradient counts as stationary."""

EMPTY_PROMISE = 0.5
"""A contraction factor above this leaves most of the way: the theorem then promises nothing."""

LEARNS_AGAIN = (
    "Eq. 7 moves against the gradient of the forget set's loss, which is to learn it once more; "
    "removing it has the other sign"
)
AS_FAR_AS_SEEN = "applies, if no eigenvalue lies outside those that Lanczos found"
"""Ritz values lie between the true extremes: none of them proves that a loss is convex."""

AT_THE_END_ONLY = (
    "L_f is measured at the candidate only; a bound needs the largest on the whole way to the "
    "retrained network"
)


@dataclass(frozen=True)
class Bound:
    """A bound of the paper: its value, None where it has none, and why it does not apply."""

    equation: str
    says: str
    value: float | None
    obstacles: tuple[str, ...]

    @property
    def applies(self) -> bool:
        """Whether every condition that was measured holds."""
        return not self.obstacles

    @property
    def words(self) -> str:
        """Say whether it applies, or why not."""
        because = "; ".join(self.obstacles)
        return AS_FAR_AS_SEEN if self.applies else f"does not apply, because {because}"


@dataclass(frozen=True)
class Evidence:
    """The measured state of FAMR's theory for one candidate.

    stationarity_residual: ||g + rho (theta - theta0)|| / ||g|| (Eq. 6); distance: ||theta -
    theta0||; uniform_gap_max, uniform_gap_mean: of ||p - u||_1 over the forget set (Eq. 15), from 0
    to nearly 2. objective: curvature of J at the candidate; training: of the training loss, summed
    over all training examples, at the original. training_gradient: ||sum of grad l|| over the
    forget set at the original; mismatch: how far FAMR's gradient there is from that sum, as a
    share of FAMR's. lipschitz: largest spectral norm of the logits' Jacobian in the weights that
    was met. anchor: rho of the objective that sums over the forget set. rate, decay, steps, whole:
    learning rate, rho as the steps use it, how many, and whether each saw the whole forget set.
    """

    stationarity_residual: float
    distance: float
    uniform_gap_max: float
    uniform_gap_mean: float
    objective: Curvature
    training: Curvature
    training_gradient: float
    mismatch: float
    lipschitz: float
    anchor: float
    rate: float
    decay: float
    steps: int
    whole: bool

    @property
    def bounds(self) -> tuple[Bound, Bound, Bound]:
        """Eqs. 9, 10 and 11."""
        return distance_bound(self), output_bound(self), convergence_bound(self)


def distance_bound(e: Evidence) -> Bound:
    """Bound ||theta* - w*|| by rho / lambda_min(H)^2 ||sum grad l|| (Eq. 9).

    Eqs. 7 and 8 give rho H^-1 (H + rho)^-1 sum grad l for the difference, so the constant is 1.
    """
    low = e.training.low
    obstacles = [LEARNS_AGAIN]
    if low > 0 >= low - e.training.error:
        obstacles.append(
            "the training loss may not be convex: the smallest eigenvalue of its Hessian is known "
            f"only to {e.training.error:.3g}"
        )
    elif low <= 0:
        obstacles.append(f"the training loss is not convex: its Hessian has eigenvalue {low:.3g}")
    if e.mismatch > STATIONARY:
        obstacles.append(
            "Eq. 8 follows the training loss's gradient on the forget set; FAMR's differs from it "
            f"by {e.mismatch:.0%} of its length"
        )
    if e.stationarity_residual > STATIONARY:
        obstacles.append(
            f"the candidate is not stationary: the residual is {e.stationarity_residual:.2g} of "
            f"the gradient, expected at most {STATIONARY}"
        )
    value = e.anchor / low**2 * e.training_gradient if low > 0 else None
    return Bound("Eq. 9", "distance of the weights from retrained ones", value, tuple(obstacles))


def output_bound(e: Evidence) -> Bound:
    """Bound ||f_theta*(x) - f_w*(x)|| by L_f ||theta* - w*|| (Eqs. 10 and 14)."""
    distance = distance_bound(e)
    value = None if distance.value is None else e.lipschitz * distance.value
    obstacles = () if distance.applies else ("Eq. 9 does not apply",)
    says = "distance of the logits from a retrained network's"
    return Bound("Eq. 10", says, value, (*obstacles, AT_THE_END_ONLY))


def convergence_bound(e: Evidence) -> Bound:
    """Bound ||theta_t - theta*||^2 / ||theta0 - theta*||^2 by (1 - eta rho)^t (Eq. 11)."""
    factor = max(0.0, 1 - e.rate * e.decay) ** e.steps
    obstacles = []
    if e.objective.low >= e.decay > e.objective.low - e.objective.error:
        obstacles.append(
            "the forgetting loss may not be convex: the smallest eigenvalue of J's Hessian is "
            f"known only to {e.objective.error:.3g}"
        )
    elif e.objective.low < e.decay:
        obstacles.append(
            "the forgetting loss is not convex: J's Hessian at the candidate has eigenvalue "
            f"{e.objective.low:.3g}, below rho = {e.decay:.3g}"
        )
    if e.rate * e.objective.high > 1:
        obstacles.append(
            f"the steps are too long: eta = {e.rate:.3g}, at most "
            f"{1 / e.objective.high:.3g} for the largest eigenvalue {e.objective.high:.3g}"
        )
    if not e.whole:
        obstacles.append("its steps see the whole forget set, these saw batches of it")
    if factor > EMPTY_PROMISE:
        obstacles.append(f"it is vacuous: {factor:.2%} of the squared distance may remain")
    says = "share of the squared distance to the minimum that remains"
    return Bound("Eq. 11", says, factor, tuple(obstacles))
