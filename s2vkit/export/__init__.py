"""Export: a trained model as files that other runtimes read, checked against the model itself."""
