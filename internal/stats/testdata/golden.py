"""Prints what other libraries say of some returns, for golden_test.go, which runs without Python."""

import inspect
import json

import ffn.core
import jsharpe
import numpy as np
import pandas as pd
from arch.bootstrap import SPA, StepM
from skfolio.measures import _measures as m

rng = np.random.default_rng(7)
common = rng.standard_normal((512, 1))
returns = 0.01 * (0.6 * common + 0.8 * rng.standard_t(5, (512, 24)))
returns[:, 3] += 0.0030
returns[:, 11] += 0.0022
returns = returns.round(6)
r = returns[:, 3]
sharpes = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
wealth = m.get_drawdowns(r, compounded=True)

losses, zero = -returns, np.zeros(512)
spa = SPA(zero, losses, block_size=22, reps=5000, bootstrap="stationary", studentize=True, seed=1)
spa.compute()
step = StepM(zero, pd.DataFrame(losses), size=0.05, block_size=22, reps=5000, bootstrap="stationary", seed=1)
step.compute()
full = ffn.core.calc_prob_backtest_overfitting(pd.DataFrame(returns), full_output=True)

paper = dict(SR=0.036 / 0.079, T=24, gamma3=-2.448, gamma4=10.164)
variance = {p for p in inspect.signature(jsharpe.sharpe_ratio_variance).parameters}
print(json.dumps({
    "returns": returns.T.tolist(),
    "skfolio": {
        "sharpe": float(sharpes[3]),
        "skew": float(m.skew(r)),
        "kurtosis": float(m.kurtosis(r)),
        "psr0": float(m.probabilistic_sharpe_ratio(r)),
        "psr05": float(m.probabilistic_sharpe_ratio(r, 0.05)),
        "expected_max": float(m.expected_max_sharpe_ratio(24, float(sharpes.std(ddof=1)))),
        "dsr2014": float(m.deflated_sharpe_ratio(r, sharpes)),
        "max_drawdown": float(wealth.min()),
        "ulcer": float(m.ulcer_index(wealth)),
    },
    "jsharpe": {
        "psr0": float(jsharpe.probabilistic_sharpe_ratio(paper["SR"], 0, T=24, gamma3=-2.448, gamma4=10.164, rho=0.2)),
        "psr1": float(jsharpe.probabilistic_sharpe_ratio(paper["SR"], 0.1, T=24, gamma3=-2.448, gamma4=10.164, rho=0.2)),
        "min_trl": float(jsharpe.minimum_track_record_length(paper["SR"], 0, gamma3=-2.448, gamma4=10.164, rho=0.2)),
        "sd": float(jsharpe.sharpe_ratio_variance(paper["SR"], T=24, gamma3=-2.448, gamma4=10.164, rho=0.2) ** 0.5),
    },
    "ffn": {
        "pbo": full["pbo"],
        "logits": [float(x) for x in np.sort(full["logits"])[[0, 6434, 12869]]],
    },
    "arch": {"spa_upper": float(spa.pvalues["upper"]), "step_m": [int(i) for i in step.superior_models]},
}))
