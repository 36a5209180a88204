"""Design: couplings chosen by the gradient of what the matter does.

    θ ← θ − η dL/dθ,      L = L(⟨O⟩)

One file per estimator of the gradient; all answer the same question about any system, dynamics and observable.

| estimator | idea | for |
|---|---|---|
| ``pathwise`` | chain rule backwards through the trajectory | smooth observables, short horizons |
| ``tangent`` | the same carried forward | few couplings, no memory |
| ``score_function`` | likelihood ratio of paths | any observable, kinetics, discrete matter |
| ``equilibrium`` | covariance with ∂E/∂θ, reweighting | equilibrium averages |
| ``implicit`` | response of an energy minimum | athermal packings, clusters |
| ``enumeration`` | sum over all states | small discrete matter, exact |
| ``closed_form`` | chain rule | partition functions, mean field |
"""
