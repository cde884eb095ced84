"""draws.py wildboottest|ritest|permutation FILE DRAWS: resampling peers; prints the seconds from data in memory to p.

wildboottest: wild cluster bootstrap of `treat`, Rademacher, null imposed.  ritest: pyfixest's randomisation inference by cluster, without
blocks.  permutation: scipy's, of single households, without clusters and blocks."""

import json
import sys
import time

import numpy
import pandas

method, file, draws = sys.argv[1], sys.argv[2], int(sys.argv[3])
if method == "wildboottest":
    from statsmodels.api import OLS
    from wildboottest.wildboottest import wildboottest

    data = pandas.read_parquet(file, columns=["y", "treat", "post", "muni", "cluster"]).astype({"y": float})
    covariates = data[["treat", "post", "muni"]].astype(float)
    covariates.insert(0, "intercept", 1.0)
    model = OLS(data.y, covariates)
    # Once with few draws, so that compiling does not count.
    wildboottest(model, param="treat", cluster=data.cluster, B=99, seed=1, show=False)
    start = time.perf_counter()
    found = wildboottest(model, param="treat", cluster=data.cluster, B=draws, seed=1, show=False)
    statistic, p = numpy.ravel(found["statistic"])[0], numpy.ravel(found["p-value"])[0]
else:
    data = pandas.read_csv(file)
    data["t"] = (data.arm > 0).astype(float)
    if method == "ritest":
        import pyfixest

        start = time.perf_counter()
        fit = pyfixest.feols("y ~ t", data, vcov={"CRV1": "cluster"})
        found = fit.ritest("t", cluster="cluster", reps=draws, rng=numpy.random.default_rng(1))
        statistic, p = fit.coef()["t"], found["Pr(>|t|)"]
    else:
        from scipy.stats import permutation_test

        groups = [data.y[data.t == side].to_numpy() for side in (1, 0)]
        start = time.perf_counter()
        found = permutation_test(
            groups, lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis), vectorized=True, n_resamples=draws, batch=100, rng=1
        )
        statistic, p = found.statistic, found.pvalue
print(json.dumps({"seconds": time.perf_counter() - start, "statistic": float(statistic), "p": float(p)}))
