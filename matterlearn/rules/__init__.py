"""How couplings move: one file per learning rule."""
