"""regression.py FILE ols|twfe|twfehh: pyfixest with errors clustered by `cluster`; prints the last coefficient."""

import json
import sys

import pyfixest

FORMULAS = {"ols": "y ~ C(arm) * post", "twfe": "y ~ treat | cluster + week", "twfehh": "y ~ treat | hh + week"}
COLUMNS = {"ols": ["y", "arm", "post", "cluster"], "twfe": ["y", "treat", "cluster", "week"], "twfehh": ["y", "treat", "hh", "week", "cluster"]}

file, model = sys.argv[1:3]
if file.endswith(".parquet"):
    import pandas

    data = pandas.read_parquet(file, columns=COLUMNS[model])
else:
    from pyarrow import csv

    data = csv.read_csv(file, convert_options=csv.ConvertOptions(include_columns=COLUMNS[model])).to_pandas()
# Nothing is kept that the coefficient and its error do not need.
fit = pyfixest.feols(FORMULAS[model], data, vcov={"CRV1": "cluster"}, lean=True, store_data=False, copy_data=False)
print(json.dumps({"estimate": float(fit.coef().iloc[-1]), "se": float(fit.se().iloc[-1])}))
