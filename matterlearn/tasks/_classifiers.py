"""What ordinary classifiers make of the images that a surface shows. Host code."""

import numpy as np
from jaxtyping import Int

from matterlearn.core.observable import Summary

HIDDEN, SWEEPS, RATE = 100, 20, 0.05  # of the restricted Boltzmann machine
STIFFNESS = 10.0  # C of the logistic regression behind it


def baselines(
    train: Int[np.ndarray, "image pixel"], label: Int[np.ndarray, " image"],
    test: Int[np.ndarray, "other pixel"], test_label: Int[np.ndarray, " other"],
) -> list[Summary]:  # fmt: skip
    """Test accuracy of logistic regression, and of one on features of a restricted Boltzmann machine.

    Both see one binary input per pixel and grey level, as the matter does.

    >>> train, label = np.array([[0, 1], [1, 0]] * 20), np.array([0, 1] * 20)
    >>> [float(summary.values) for summary in baselines(train, label, train, label)]
    [1.0, 1.0]
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import BernoulliRBM
    from sklearn.pipeline import make_pipeline

    levels = np.eye(max(train.max(), test.max()) + 1)
    inputs, asked = (levels[pixels].reshape(len(pixels), -1) for pixels in (train, test))
    plain = LogisticRegression(max_iter=2000)
    machine = BernoulliRBM(n_components=HIDDEN, n_iter=SWEEPS, learning_rate=RATE, random_state=0)
    layered = make_pipeline(machine, LogisticRegression(C=STIFFNESS, max_iter=2000))
    found = {
        "logistic_regression": (plain, "logistic regression on the same images"),
        "rbm": (layered, f"logistic regression on {HIDDEN} features of a restricted Boltzmann machine"),
    }
    return [
        Summary(f"accuracy_{name}", (), np.asarray(model.fit(inputs, label).score(asked, test_label)), "1",
                f"test accuracy of {words}")
        for name, (model, words) in found.items()
    ]  # fmt: skip
