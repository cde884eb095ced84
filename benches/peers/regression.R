# regression.R fixest|estimatr FILE.csv ols|twfe|twfehh: errors clustered by `cluster`; prints the last coefficient.
given <- commandArgs(trailingOnly = TRUE)
columns <- list(ols = c("y", "arm", "post", "cluster"), twfe = c("y", "treat", "cluster", "week"), twfehh = c("y", "treat", "hh", "week", "cluster"))
data <- data.table::fread(given[2], select = columns[[given[3]]])
if (given[1] == "fixest") {
  formulas <- list(ols = y ~ factor(arm) * post, twfe = y ~ treat | cluster + week, twfehh = y ~ treat | hh + week)
  fit <- fixest::feols(formulas[[given[3]]], data, cluster = ~cluster, lean = TRUE)
  errors <- fixest::se(fit)
} else {
  # The effects of the other two models count differently there, so only this one is the same.
  stopifnot(given[3] == "ols")
  fit <- estimatr::lm_robust(y ~ factor(arm) * post, data, clusters = cluster, se_type = "stata")
  errors <- fit$std.error
}
last <- length(coef(fit))
cat(sprintf('{"estimate": %.15g, "se": %.15g}\n', coef(fit)[last], errors[last]))
