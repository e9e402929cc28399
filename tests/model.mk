# Tests of model
