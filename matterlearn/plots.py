"""Figures of a run, chosen by what the results hold; no pyplot, no jax.

Every drawing is a function of the tree that gives a `matplotlib.figure.Figure`, or None where the
tree lacks what it needs; `DRAWINGS` lists them with their captions. Means over replicas carry
their standard error, as a band or as bars; variables named `*_theory` are dashed black lines.

Example:
    >>> import numpy as np
    >>> root = xr.Dataset({"energy": (("replica", "step"), np.zeros((3, 4)), {"units": "kT"})})
    >>> figure = energy(xr.DataTree(root))
    >>> figure.axes[0].get_ylabel()
    'energy (kT)'
    >>> overlap(xr.DataTree(root)) is None
    True
"""

# The type stubs of xarray and matplotlib are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false, reportAttributeAccessIssue=false

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure

from matterlearn import (
    plots_cascade,
    plots_clumps,
    plots_collapse,
    plots_compare,
    plots_couplings,
    plots_denoising,
    plots_design,
    plots_diffusion,
    plots_energy,
    plots_fields,
    plots_generative,
    plots_graphs,
    plots_heat,
    plots_inverse,
    plots_memorization,
    plots_networks,
    plots_noise,
    plots_phases,
    plots_samples,
    plots_search,
    plots_states,
    plots_sweep,
    plots_variants,
    snapshots,
    style,
)
from matterlearn.plots_curves import energy, learning, outcomes, overlap, traces
from matterlearn.plots_finals import profiles, shapes, window


@dataclass(frozen=True)
class Drawing:
    """A figure that can be drawn from results, under the name its file gets."""

    name: str
    draw: Callable[[xr.DataTree], Figure | None]
    caption: str


def drawings(tree: xr.DataTree) -> tuple[Drawing, ...]:
    """The figures that these results may have: of a run, of a sweep, or of a comparison."""
    if plots_compare.ATTRIBUTE in tree.attrs:
        return tuple(Drawing(*each) for each in plots_compare.drawn(tree))
    if plots_sweep.ATTRIBUTE in tree.attrs:
        return tuple(Drawing(*each) for each in plots_sweep.drawn(tree))
    return DRAWINGS


def figures(tree: xr.DataTree, directory: str | Path) -> list[Path]:
    """Draws all that can be drawn into `directory`, one PNG each; returns their paths."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for drawing in drawings(tree):
        with style.look():
            figure = drawing.draw(tree)
        if figure is not None:
            written.append(style.write(figure, directory / f"{drawing.name}.png"))
    return written


DRAWINGS = (
    Drawing("comparison", plots_variants.comparison, "Variants of the scenario side by side: what was recorded while "
            "learning, and what they ended with, mean ± standard error over replicas."),
    Drawing("denoising", plots_denoising.denoising, "Denoisers: peak signal-to-noise ratio against the noise level, "
            "mean ± standard error over samples, and its gain over noisy ones. Crosses: closed forms; black: bounds."),
    Drawing("denoised", plots_denoising.pictures, "Samples that were held out: clean, noisy, and denoised."),
    Drawing("clones", plots_diffusion.clones, "How often two reverse trajectories from one noisy sample end in one "
            "class, mean ± standard error over pairs. Dashed: theory; dotted: speciation times."),
    Drawing("collapse", plots_diffusion.collapse, "Empirical score: excess entropy, and participation ratio of the "
            "training samples, mean ± standard error over noisy samples. Lines: theory; dotted: collapse times."),
    Drawing("lineages", plots_collapse.lineages, "Models refitted to data of models, by generation: mean ± standard "
            "error over independent lineages. Dashed: exact; dotted: leading order for many data."),
    Drawing("weights", plots_collapse.weights, "Fresh real data in every generation: error of the mean in the end "
            "against their weight, mean ± standard error over lineages. Dashed: many data; dotted: the golden ratio."),
    Drawing("last_fits", plots_collapse.last_fits, "What a model is worth that is fitted to data of a generation, "
            "against the number of these data: mean ± standard error over lineages. Dashed: exact; black: real data."),
    Drawing("score_errors", plots_diffusion.score_errors, "Errors of scores against the perfect one, and of the width "
            "of samples, with standard errors. Dashed: exact; dotted: limit of many entries."),
    Drawing("magnets", plots_diffusion.magnets, "Curie and Weiss's magnet by reverse diffusion: second moment and law "
            "of the magnetisation beside the exact ones, and the potential in which it decides."),
    Drawing("memorization", plots_memorization.memorization, "Models fitted to N training samples, in pairs that have "
            "none in common: copies among their samples, error on test samples beyond that on training samples at each "
            "noise level, and cosine of samples that the two make of the same noise (of different noise: dotted). Mean "
            "± standard error."),
    Drawing("same_noise", plots_memorization.same_noise, "Samples that two models, fitted to two halves of the data, "
            "make of the same noise, one below the other."),
    Drawing("generated", plots_generative.generated, "Points in the plane: training samples, and samples of every "
            "model in the second half of its run."),
    Drawing("generative_table", plots_generative.table, "Generative models of the same data: mean log-likelihood of "
            "test samples, where there is a density, and distance of samples to test data; mean ± standard error. Grey "
            "band: distance of training to test samples, which a perfect model has, too."),
    Drawing("snapshots", snapshots.snapshots,
            "First and last frames. Particles: bars are bonds in the colour of the memory they belong to, the "
            "largest cluster is in the middle. Lattices: the memory that most bonds of a tile belong to, or species."),
    Drawing("snapshots_before", plots_design.snapshots_before, "First and last frames with the couplings before the "
            "design."),
    Drawing("design", plots_design.loss, "Loss of the design with its standard error, the averages it is made of "
            "(dashed: targets), and the gradient's norm beside its standard error."),
    Drawing("validation", plots_design.validation, "Measured with fresh seeds, with the couplings before and after the "
            "design: mean ± standard error over replicas."),
    Drawing("designed_couplings", plots_design.couplings, "Couplings before and after the design; they are energies: "
            "lower is stickier."),
    Drawing("trust", plots_design.trust, "Response of trajectories to the couplings, and the tail index of the "
            "replicas' gradients."),
    Drawing("states", plots_states.states, "Final state over two swept quantities; lines: theory."),
    Drawing("recall", plots_states.recall, "What is left of the cue over two swept quantities; lines: theory."),
    Drawing("overlap", overlap,
            "Overlap with the cued memory and with the best other one. Thick: mean over replicas "
            "with its standard error; thin: the replicas."),
    Drawing("outcomes", outcomes, "What else came out: surplus, chimeras, the largest cluster."),
    Drawing("window", window, "Final values against the swept quantity, mean ± standard error "
            "over replicas; shaded: the window theory predicts."),
    Drawing("retrieval", plots_phases.retrieval, "Target compositions: overlap and effective number of components at "
            "the end against temperature, and how often the cue came back against its purity. Dashed: theory."),
    Drawing("decisions", plots_phases.decisions, "What the mixture answered over the concentrations of its inputs; "
            "boundaries wanted, measured, and of the learned couplings in the quasi-chemical approximation."),
    Drawing("buffering", plots_noise.buffering, "Regulated expression: one cell; the dilute concentration against what "
            "is made; its noise. Mean ± standard error over replicas; dashed: closed forms, where they are exact."),
    Drawing("clumps", plots_clumps.clumps, "Place cells: density around the clump's centre, dashed in theory, and at "
            "the centre against temperature. Mean ± standard error over replicas."),
    Drawing("search", plots_search.search, "Searches for a ground state: how many have found one, and how many sweeps "
            "repeated searches need, with intervals of one standard error. Dashed: guessing states."),
    Drawing("samples", plots_samples.samples, "Training samples, samples of the model at the end of independent "
            "replicas, and what hidden units favour (red) and disfavour (blue) on the visible layer."),
    Drawing("energy_of_points", plots_energy.energy_of_points, "Points in the plane: training samples, samples of the "
            "model in the second half of the run, and the learned energy."),
    Drawing("likelihood", plots_samples.likelihood, "How likely the model finds the data: between independent entries "
            "and the entropy of the data. Bands: standard errors."),
    Drawing("fields", plots_fields.fields, "Lattice fields: density of the magnetisation, power spectrum and two-point "
            "function, mean ± standard error over replicas; dashed: data of the same law. Below: configurations."),
    Drawing("cascade", plots_cascade.cascade, "Modes of the data while learning, and singular values of the couplings. "
            "Dashed: growth to first order in the couplings; dotted: where a linear machine would end."),
    Drawing("inversion", plots_inverse.inversion, "Error of inferred couplings against the number of samples, mean ± "
            "standard error over data sets. Dotted: from exact moments; dashed: the bound of Cramér and Rao."),
    Drawing("answers", plots_networks.answers, "A network's error while learning; at the end, its outputs against what "
            "is wanted of them, for examples it has not seen."),
    Drawing("oversmoothing", plots_graphs.oversmoothing, "Networks on a graph: accuracy against depth, and how alike "
            "nodes become, layer by layer of the deepest network of each kind. Mean ± standard error over networks. "
            "Dashed: what the spectrum of the graph predicts, from the first layer on; grey: without any network."),
    Drawing("detection", plots_graphs.detection, "How many nodes of a block model are put into their block, mean ± "
            "standard error over graphs. Dotted: where the division becomes detectable without labels, from the graph "
            "and, where they are given, its features."),
    Drawing("heat", plots_heat.heat, "Heat on a graph: distance from equilibrium, what a step does to every mode, and "
            "temperatures. Symbols: measured; lines: from the spectrum of the graph."),
    Drawing("conductances", plots_heat.conductances, "Error of conductances that a student finds from temperatures; "
            "dashed: after the best common factor; dotted: least squares on Kirchhoff's equations. Beside them: the "
            "teacher's."),
    Drawing("network", plots_networks.network, "The network before and after learning: edges as thick as their "
            "couplings, with the nodes that are given inputs and read."),
    Drawing("energy", energy, "Energy against time, mean over replicas with its standard error; of long records, "
            "means over blocks."),
    Drawing("couplings", plots_couplings.matrices, "Learned couplings next to the ideal ones, and "
            "their distribution for bonds that are in a memory and for those that are not. "
            "Couplings are energies: lower is stickier."),
    Drawing("growth", plots_couplings.growth, "Couplings while learning: bonds that are in a "
            "memory and those that are not, mean with the spread over bonds."),
    Drawing("forgetting", plots_couplings.forgetting, "How much of each memory the couplings "
            "hold: correlation of the attraction with the memory's own bonds."),
    Drawing("learning", learning, "Quantities followed while learning."),
    Drawing("shapes", shapes, "Populations of cluster shapes; dashed: theory."),
    Drawing("traces", traces, "Other quantities along the run; of long records, means over blocks."),
    Drawing("profiles", profiles, "Quantities measured against something other than time."),
)  # fmt: skip

CAPTIONS = {drawing.name: drawing.caption for drawing in DRAWINGS}
