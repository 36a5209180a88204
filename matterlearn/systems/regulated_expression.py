"""A protein that a cell makes in bursts, unregulated, buffered by droplets, or held by a PI controller.

State: numbers of mRNA m, of protein in the dilute phase n and in droplets q, and of a counting molecule y. With
n* = saturation · volume,

| reaction | change | rate |
|---|---|---|
| mRNA birth, death | m ± 1 | birth; death m |
| production | n + 1 | translation m |
| decay, dilute and condensed | n − 1; q − 1 | decay n; decay q |
| into droplets, back | n − 1, q + 1; n + 1, q − 1 | exchange n; exchange n* while q > 0 |
| removal by the controller | n − 1 | proportional n + (integral/sensing) y |
| supply by the controller | n + 1 | proportional n* |
| counting | y ± 1 | sensing n; sensing n* |

The *level* is the mean concentration c that production and decay alone give, translation birth/(death decay volume).
Droplets hold the dilute concentration at (c + K c*)/(1 + K), K = exchange/decay, once c exceeds c* = saturation: the
fast-buffer law, proportional control. The controller's integral term removes what is left, at the price of noise from
counting. Below c* droplets are gone and the counter is empty; the proportional term alone then lifts the dilute
concentration towards c*, since the controller supplies, too.

    E/kT = −ln Poisson(m; birth/death) − ln Poisson(n; n*)

is the free energy of an ideal dilute phase in contact with droplets of saturation n*. Exchange, birth and death of
mRNA obey detailed balance with it; production, decay and the controller drive the mixture away.

| quantity | unit |
|---|---|
| level, saturation | µM |
| volume | molecules per µM: 602 in a femtolitre |
| decay, mrna_decay, exchange, proportional, sensing | 1/time |
| integral | 1/time² |

Source: [zechner2025concentration], [klosin2020phase]; theory in ``matterlearn.theory.buffering``. Limits: droplets
need no nucleus and have no surface tension; below saturation n/(n* − n) molecules are in clusters.

Example:
    >>> system = Config(kind="regulated_expression", level=20.0, saturation=5.0, exchange=4.0).build(None)
    >>> exact = system.exact()
    >>> round(exact.dilute.mean, 6), exact.total.cv > exact.dilute.cv        # (20 + 4·5)/5
    (8.0, True)
"""

from typing import ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from pydantic import Field
from scipy.special import gammainc

from matterlearn.core.matter import matter
from matterlearn.core.reactions import AbstractReactionSystem, Numbers, poisson_energy
from matterlearn.spec import Problem, Spec
from matterlearn.theory.buffering import Moments

REGULATIONS = ("none", "droplets", "pi")
PHASES = ("total", "dilute", "condensed")
SMALLEST = 1e-6  # rate or concentration: the energy is defined for those that a learning rule makes negative, too
NEVER = 1e-4  # probability below which a closed form for regulation that never runs out is called exact
UNKNOWN = Moments(np.nan, np.nan)


class Exact(NamedTuple):
    """Stationary moments of concentrations; NaN where no closed form is exact."""

    total: Moments
    dilute: Moments


class RegulatedExpression(AbstractReactionSystem):
    """Bursty expression and its regulation; see the module's docstring."""

    birth: Float[Array, ""]
    death: Float[Array, ""]
    translation: Float[Array, ""]
    decay: Float[Array, ""]
    exchange: Float[Array, ""]
    saturation: Float[Array, ""]
    proportional: Float[Array, ""]
    integral: Float[Array, ""]
    sensing: Float[Array, ""]
    regulation: Int[Array, " regulation"]
    volume: float = eqx.field(static=True)

    molecules: ClassVar = ("mRNA", "dilute", "condensed", "counter")
    phases: ClassVar = PHASES
    coupling_units: ClassVar = ("1/time, µM", "rate, or concentration")
    changes: ClassVar = np.array(
        [
            [1, 0, 0, 0], [-1, 0, 0, 0], [0, 1, 0, 0], [0, -1, 0, 0], [0, 0, -1, 0], [0, -1, 1, 0], [0, 1, -1, 0],
            [0, -1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, -1],
        ]
    )  # fmt: skip

    @property
    def saturated(self) -> Float[Array, ""]:
        """n*, molecules in the dilute phase at saturation."""
        return jnp.maximum(self.saturation, SMALLEST) * self.volume

    @property
    def mean_mrna(self) -> Float[Array, ""]:
        """birth/death."""
        return jnp.maximum(self.birth, SMALLEST) / jnp.maximum(self.death, SMALLEST)

    def rates(self, x: Numbers) -> Float[Array, " reaction"]:
        """In the order of the table."""
        mrna, dilute, condensed, counter = x.number
        _, droplets, control = self.regulation
        removal = self.proportional * dilute + self.integral / self.sensing * counter
        flows = [
            self.birth, self.death * mrna, self.translation * mrna, self.decay * dilute, self.decay * condensed,
            droplets * self.exchange * dilute, droplets * self.exchange * self.saturated,
            control * removal, control * self.proportional * self.saturated,
            control * self.sensing * dilute, control * self.sensing * self.saturated,
        ]  # fmt: skip
        return jnp.stack(flows)

    def energy(self, x: Numbers, neighbors=None) -> Float[Array, ""]:
        """Free energy, kT."""
        mrna, dilute, _, _ = x.number
        return poisson_energy(mrna, self.mean_mrna) + poisson_energy(dilute, self.saturated)

    def steady_state(self) -> Float[Array, " molecule"]:
        """Mean numbers where nothing fluctuates."""
        mrna, saturated = self.mean_mrna, self.saturated
        made = self.translation * mrna / self.decay
        ratio, gain = self.exchange / self.decay, self.proportional / self.decay
        buffered = jnp.minimum(made, (made + ratio * saturated) / (1 + ratio))
        excess = jnp.maximum(made - saturated, 0.0)
        held = jnp.where(excess > 0, saturated, (made + gain * saturated) / (1 + gain))
        counter = excess * self.decay * self.sensing / self.integral
        zero = jnp.zeros_like(made)
        rows = [(mrna, made, zero, zero), (mrna, buffered, made - buffered, zero), (mrna, held, zero, counter)]
        return self.regulation @ jnp.stack([jnp.stack(row) for row in rows])

    def init_state(self, key) -> Numbers:
        """Poisson numbers of mRNA and dilute protein around the steady state; the others at it."""
        mean = self.steady_state()
        drawn = jax.random.poisson(key, mean[:2]).astype(mean.dtype)
        return Numbers(jnp.concatenate([drawn, jnp.round(mean[2:])]))

    def concentrations(self, x: Numbers) -> Float[Array, " phase"]:
        """Total, dilute and condensed protein over the volume of the whole cell."""
        _, dilute, condensed, _ = x.number
        return jnp.stack([dilute + condensed, dilute, condensed]) / self.volume

    def constrain(self) -> "RegulatedExpression":
        """No rate that is negative or 0."""
        return jax.tree.map(lambda leaf: jnp.maximum(leaf, SMALLEST) if eqx.is_inexact_array(leaf) else leaf, self)

    def expressing(self, level: float, regulation: str) -> "RegulatedExpression":
        """The same cell at another level, set by translation, and under another regulation."""
        translation = level * self.volume * self.decay * self.death / self.birth
        chosen = jnp.asarray([int(name == regulation) for name in REGULATIONS])
        return eqx.tree_at(lambda s: (s.translation, s.regulation), self, (translation, chosen))

    def exact(self) -> Exact:
        """Closed forms of the stationary law, on the host, for one cell.

        The total is a two-stage expression whatever the droplets do. The dilute phase has a closed form as long as its
        regulation never runs out: the total is below saturation, or production needs no correction by the controller,
        less often than 10⁻⁴ (by Gamma laws).

        Raises:
            TypeError: for a system with a replica axis.
        """
        from matterlearn.theory import buffering

        names = ("birth", "death", "translation", "decay", "exchange")
        birth, death, translation, decay, exchange = (float(getattr(self, name)) for name in names)
        saturated = float(self.saturation) * self.volume
        free = buffering.Expression(birth, death, translation, decay, 0.0, saturated)
        total = buffering.expression_moments(free)
        kind = REGULATIONS[int(np.argmax(self.regulation))]
        if kind == "none":
            return Exact(self._over_volume(total), self._over_volume(total))
        if kind == "droplets":
            held = buffering.expression_moments(free._replace(exchange=exchange))
            held = held if seldom_below(saturated, total) else UNKNOWN
            return Exact(self._over_volume(total), self._over_volume(held))
        proportional, integral, sensing = (float(getattr(self, n)) for n in ("proportional", "integral", "sensing"))
        controller = buffering.Controller(
            decay, proportional, integral, death, translation * np.sqrt(birth / death),
            decay * total.mean + proportional * saturated,
        )  # fmt: skip
        counting = buffering.counting_noise(controller, saturated) / sensing
        correction = buffering.correction_variance(controller) + counting * ((decay + proportional) ** 2 + integral)
        enough = seldom_below(decay * saturated, Moments(decay * total.mean, correction))
        held = Moments(saturated, buffering.pi_variance(controller) + counting) if enough else UNKNOWN
        return Exact(self._over_volume(held), self._over_volume(held))

    def _over_volume(self, numbers: Moments) -> Moments:
        return Moments(numbers.mean / self.volume, numbers.variance / self.volume**2)


def seldom_below(threshold: float, moments: Moments) -> bool:
    """Whether a Gamma-distributed number of these moments is hardly ever below a threshold."""
    return bool(gammainc(1 / moments.cv**2, threshold / (moments.mean * moments.cv**2)) < NEVER)


class Config(Spec):
    """Regulated expression in a scenario; times in units of 1/decay if decay is 1."""

    kind: Literal["regulated_expression"]
    matter: ClassVar[str] = "reactions"
    phases: ClassVar[tuple[str, ...]] = PHASES
    regulation: Literal[REGULATIONS] = Field(
        default="droplets", description="what holds the dilute concentration", examples=list(REGULATIONS)
    )
    level: float = Field(default=25.0, gt=0, description="mean concentration without regulation, µM", examples=[6.0])
    volume: float = Field(default=40.0, gt=0, description="molecules per µM: 602 in a femtolitre", examples=[1.5])
    mrna: float = Field(default=10.0, gt=0, description="mean number of mRNA; few make large bursts", examples=[4.0])
    mrna_decay: float = Field(default=1.0, gt=0, description="decay of mRNA, 1/time", examples=[2.0])
    decay: float = Field(default=1.0, gt=0, description="decay of the protein, 1/time", examples=[3.0])
    saturation: float = Field(default=7.471, gt=0, description="saturation concentration c*, µM", examples=[3.0])
    exchange: float = Field(default=21.57, ge=0, description="exchange with droplets, 1/time: K = exchange/decay")
    proportional: float = Field(default=21.57, ge=0, description="proportional gain of the controller, 1/time")
    integral: float = Field(default=25.0, gt=0, description="integral gain of the controller, 1/time²")
    sensing: float = Field(default=10.0, gt=0, description="events per molecule and time of the controller's counter")

    @property
    def largest(self) -> float:
        """Most molecules of one kind, about."""
        return self.level * self.volume * max(1.0, self.decay * self.sensing / self.integral)

    @property
    def events(self) -> float:
        """Events per time, about, under the regulation that needs most."""
        cycles = self.exchange, self.proportional + self.sensing
        return 2 * self.volume * (self.decay * self.level + max(cycles) * self.saturation)

    @property
    def fastest(self) -> float:
        """Largest relaxation rate of a linear combination of numbers, 1/time, at most."""
        return max(self.mrna_decay, self.decay + max(self.exchange, self.proportional), self.integral**0.5)

    def check(self, scenario):
        """Numbers that can be counted, by a dynamics that moves numbers."""
        if matter(scenario.dynamics) != "reactions":
            kinds = "gillespie (exact) or chemical_langevin (fast)"
            yield Problem(("dynamics", "kind"), f"molecules react rather than move; use {kinds}")
        if self.largest > 2**23:
            yield Problem(("volume",), f"about {self.largest:.1e} molecules; at most {2**23:.1e} are counted exactly")

    def build(self, key) -> RegulatedExpression:
        """The system."""
        del key
        names = ("decay", "exchange", "saturation", "proportional", "integral", "sensing")
        rates = {name: jnp.asarray(float(getattr(self, name))) for name in names}
        death = jnp.asarray(float(self.mrna_decay))
        blank = RegulatedExpression(
            birth=self.mrna * death, death=death, translation=jnp.zeros(()), **rates, volume=self.volume,
            regulation=jnp.zeros(len(REGULATIONS), jnp.int32),
        )  # fmt: skip
        return blank.expressing(self.level, self.regulation)
