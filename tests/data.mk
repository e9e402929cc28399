# Tests of data
if HAVE_CMOCKA
DATA_TESTS = tests/unit/test_csv tests/unit/test_values
check_PROGRAMS += $(DATA_TESTS)
TESTS += $(DATA_TESTS)
DATA_TEST_LIBS = engine/libdata.a engine/libbase.a $(CMOCKA_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS) \
  $(ZLIB_LIBS) -lm
tests_unit_test_csv_SOURCES = tests/unit/test_csv.c tests/harness/test_support.h
tests_unit_test_csv_LDADD = $(DATA_TEST_LIBS)
tests_unit_test_values_SOURCES = tests/unit/test_values.c tests/harness/test_support.h
tests_unit_test_values_LDADD = $(DATA_TEST_LIBS)
endif
EXTRA_DIST += tests/num/gen_metrics.py
