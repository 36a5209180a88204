"""The generative models of the comparison, each through the whole loop: what is promised of them is in the results."""

import numpy as np
import pytest
import yaml

from matterlearn import plots_generative, run, scenario, style

pytestmark = pytest.mark.usefixtures("undrawn")

SLOWEST = "continuous flow"


def short(keep) -> dict:
    """The scenario with a few updates, of some of its variants."""
    scene = yaml.safe_load(scenario.find("generative_baselines").read_text())
    scene["variants"] = {name: {**changes, "learning.updates": 2, "run.steps": 4, "observe": scene["observe"]}
                         for name, changes in scene["variants"].items() if keep(name)}  # fmt: skip
    scene["task"]["data"]["count"] = 60
    scene["learning"]["replicas"] = scene["run"]["replicas"] = 8
    return scene | {"expect": {}}


@pytest.mark.slow
@pytest.mark.parametrize("slowest", [pytest.param(False, id="all but one"), pytest.param(True, id=SLOWEST)])
def test_every_model_is_learned_drawn_and_measured(slowest, tmp_path):
    scene = short(lambda name: (name == SLOWEST) == slowest)
    tree = run.simulate(scene, tmp_path / "run").tree
    node = tree["variants"].to_dataset()
    assert np.isfinite(node["sliced_wasserstein"].values).all()
    for name in scene["variants"]:
        value = float(np.broadcast_to(node["log_likelihood_test"].values, len(scene["variants"]))[
            list(scene["variants"]).index(name)])  # fmt: skip
        assert np.isfinite(value) == (name != "adversarial network"), f"{name}: {value}"
    with style.look():
        assert plots_generative.generated(tree) is not None
        assert plots_generative.table(tree) is not None
