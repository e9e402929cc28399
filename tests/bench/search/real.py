"""Real tuning tasks: scikit-learn models on its built-in data sets."""

# model-data-metric
NAMES = ("knn-cancer-nll", "knn-diabetes-mse", "svm-digits-acc", "svm-diabetes-mse", "tree-cancer-nll",
         "tree-digits-acc", "forest-wine-nll", "forest-diabetes-mae", "mlpadam-digits-nll",
         "mlpadam-diabetes-mse", "mlpsgd-cancer-nll", "mlpsgd-wine-acc", "ada-iris-nll", "ada-diabetes-mse",
         "lasso-diabetes-mse", "linear-cancer-nll")
