# Tests of base
if HAVE_CMOCKA
base_tests = tests/unit/test_rng tests/unit/test_la
check_PROGRAMS += $(base_tests)
TESTS += $(base_tests)
BASE_TEST_LIBS = engine/libbase.a $(CMOCKA_LIBS) $(OPENBLAS_LIBS) $(JANSSON_LIBS) -lm -lpthread
tests_unit_test_rng_SOURCES = tests/unit/test_rng.c tests/harness/test_support.h
tests_unit_test_rng_LDADD = $(BASE_TEST_LIBS)
tests_unit_test_la_SOURCES = tests/unit/test_la.c tests/harness/test_support.h
tests_unit_test_la_LDADD = $(BASE_TEST_LIBS)
endif
