# Tests of engine
