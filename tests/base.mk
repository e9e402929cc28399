# Tests of base
if HAVE_CMOCKA
base_tests = tests/unit/test_base tests/unit/test_json tests/unit/test_json_lift tests/unit/test_la tests/unit/test_options \
  tests/unit/test_proc tests/unit/test_rng tests/unit/test_sha256 tests/unit/test_space \
  tests/unit/test_space_json tests/unit/test_space_rules tests/unit/test_text
check_PROGRAMS += $(base_tests)
TESTS += $(base_tests)
BASE_TEST_LIBS = engine/libbase.a $(CMOCKA_LIBS) $(OPENBLAS_LIBS) $(JANSSON_LIBS) -lm -lpthread
tests_unit_test_base_SOURCES = tests/unit/test_base.c tests/harness/test_support.h
tests_unit_test_base_LDADD = $(BASE_TEST_LIBS)
tests_unit_test_json_lift_SOURCES = tests/unit/test_json_lift.c tests/harness/test_support.h
tests_unit_test_json_lift_LDADD = $(BASE_TEST_LIBS)
tests_unit_test_json_SOURCES = tests/unit/test_json.c tests/harness/test_support.h
tests_unit_test_json_LDADD = $(BASE_TEST_LIBS)
tests_unit_test_la_SOURCES = tests/unit/test_la.c tests/harness/test_support.h
tests_unit_test_la_LDADD = $(BASE_TEST_LIBS)
tests_unit_test_options_SOURCES = tests/unit/test_options.c tests/harness/test_support.h
tests_unit_test_options_LDADD = $(BASE_TEST_LIBS)
tests_unit_test_proc_SOURCES = tests/unit/test_proc.c tests/harness/test_support.h
tests_unit_test_proc_LDADD = $(BASE_TEST_LIBS)
tests_unit_test_rng_SOURCES = tests/unit/test_rng.c tests/harness/test_support.h
tests_unit_test_rng_LDADD = $(BASE_TEST_LIBS)
tests_unit_test_sha256_SOURCES = tests/unit/test_sha256.c tests/harness/test_support.h
tests_unit_test_sha256_LDADD = $(BASE_TEST_LIBS) $(SODIUM_LIBS)
tests_unit_test_space_SOURCES = tests/unit/test_space.c tests/harness/space_build.h \
  tests/harness/test_support.h
tests_unit_test_space_LDADD = $(BASE_TEST_LIBS)
tests_unit_test_space_json_SOURCES = tests/unit/test_space_json.c tests/harness/space_build.h \
  tests/harness/test_support.h
tests_unit_test_space_json_LDADD = $(BASE_TEST_LIBS)
tests_unit_test_space_rules_SOURCES = tests/unit/test_space_rules.c tests/harness/space_build.h \
  tests/harness/test_support.h
tests_unit_test_space_rules_LDADD = $(BASE_TEST_LIBS)
tests_unit_test_text_SOURCES = tests/unit/test_text.c tests/harness/test_support.h
tests_unit_test_text_LDADD = $(BASE_TEST_LIBS)
endif
