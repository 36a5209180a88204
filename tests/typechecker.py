"""What tests check annotations with: beartype, for which an integer is also a float, as everywhere in Python."""

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintPep3119Exception

_beartype = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function):
    """The function with its annotations checked; protocols that cannot be checked while running leave it as it is."""
    try:
        return _beartype(function)
    except BeartypeDecorHintPep3119Exception:
        return function
