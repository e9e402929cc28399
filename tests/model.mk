# Tests of model and train
MODEL_TEST_LIBS = engine/libtrain.a engine/libmodel.a engine/libdata.a engine/libbase.a \
  $(CMOCKA_LIBS) $(ENGINE_SYSLIBS)

noinst_PROGRAMS += tests/bench/train_fit
tests_bench_train_fit_SOURCES = tests/bench/train_fit.c
tests_bench_train_fit_LDADD = $(MODEL_TEST_LIBS)
