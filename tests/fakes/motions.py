"""Dynamics of another package: one says what it can do, one does not."""

from typing import ClassVar, Literal

from matterlearn.spec import Spec


class Claiming(Spec):
    """Steps whose probability is known, towards a minimum, smoothly."""

    kind: Literal["fakes.motions:Claiming"]
    known_steps: ClassVar[bool] = True
    smooth: ClassVar[bool] = True
    minimises: ClassVar[bool] = True
    curved: ClassVar[bool] = True


class Silent(Spec):
    """Nothing is known of its steps."""

    kind: Literal["fakes.motions:Silent"]
