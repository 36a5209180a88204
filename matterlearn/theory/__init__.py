"""Closed forms, exact enumerations and quadratures that simulations are held to.

Nothing here imports the rest of the package, and everything may import it. One file per subject;
each function states its equation, its units (energy kT_ref, length sigma, time sigma^2/D unless
said otherwise), its source and where it stops being valid.
"""
