"""Tasks that ask something about data which are shown, and drawn, as task ``data`` does."""

import equinox as eqx

from matterlearn.core.observable import Summary
from matterlearn.core.task import AbstractTask
from matterlearn.tasks.data import Data


class AboutData(AbstractTask):
    """Everything but the question is the data's."""

    data: eqx.AbstractVar[Data]

    @property
    def memory_count(self) -> int:
        """One: samples of all kinds are shown together."""
        return 1

    @property
    def training_samples(self):
        """Those of the data."""
        return self.data.training_samples

    @property
    def train(self):
        """The same, for observables that compare with them."""
        return self.data.train

    @property
    def test(self):
        """Samples that are held out."""
        return self.data.test

    def teach(self, system, memory):
        """The system itself."""
        del memory
        return system

    def present(self, key, system, memory, replicas, duration):
        """Clean samples, clamped."""
        return self.data.present(key, system, memory, replicas, duration)

    def recall(self, key, system, replicas):
        """Free matter."""
        return self.data.recall(key, system, replicas)

    def groups(self, system) -> dict[str, list[Summary]]:
        """Examples of the training samples."""
        return self.data.groups(system)
