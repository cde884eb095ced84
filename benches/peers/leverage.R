# leverage.R estimatr|clubSandwich FILE.csv: CR2 errors with Satterthwaite degrees of freedom, one row a household; prints arm 4 and the
# seconds from data in memory to the table of coefficients.
given <- commandArgs(trailingOnly = TRUE)
data <- as.data.frame(data.table::fread(given[2]))
data$arm <- factor(data$arm)
data$muni <- factor(data$muni)
suppressMessages(loadNamespace(given[1]))
start <- proc.time()[["elapsed"]]
if (given[1] == "estimatr") {
  fit <- estimatr::lm_robust(y ~ arm + y0 + x + muni, data, clusters = cluster, se_type = "CR2")
  found <- c(fit$coefficients["arm4"], fit$std.error["arm4"], fit$df["arm4"])
} else {
  fit <- lm(y ~ arm + y0 + x + muni, data)
  table <- clubSandwich::coef_test(fit, vcov = "CR2", cluster = data$cluster, test = "Satterthwaite")
  found <- unlist(table[which(names(coef(fit)) == "arm4"), c("beta", "SE", "df_Satt")])
}
seconds <- proc.time()[["elapsed"]] - start
cat(sprintf('{"estimate": %.15g, "se": %.15g, "df": %.15g, "seconds": %.4f}\n', found[1], found[2], found[3], seconds))
