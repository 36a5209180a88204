"""What a reader of results should beware of, one line each. No jax.

Example:
    >>> of(xr.DataTree())
    ()
"""

import xarray as xr

GROWTH = 10.0  # e-folds of the sensitivity along a trajectory that are worth a warning


def of(tree: xr.DataTree) -> tuple[str, ...]:
    """Warnings about a design: gradients without variance, another estimator, chaos. None without a design."""
    if "design" not in tree.children:
        return ()
    node, found = tree["design"].to_dataset(), []
    names = str(node.attrs["estimators"]).split(", ")
    if "fallback_from_update" in node.attrs:
        update = int(node.attrs["fallback_from_update"])
        found.append(f"note: gradients by {names[0]} could not be trusted; {names[1]} took over at update {update}")
    last = node["tail_index"].values[-1]
    if last < 2:
        found.append(f"note: the last gradients have tail index {last:.2g}: below 2 they have no variance, so no "
                     "standard error is given")  # fmt: skip
    if "response" in tree["design"].children:  # pyright: ignore[reportAttributeAccessIssue]
        response = tree["design/response"].to_dataset()
        rate, steps = float(response["growth_rate"]), float(response["path_step"][-1])
        if rate * steps > GROWTH:
            found.append(f"note: sensitivities grow by e every {1 / rate:.3g} steps, e^{rate * steps:.0f} over a "
                         "trajectory: use a shorter horizon, score_function or equilibrium")  # fmt: skip
    return tuple(found)
