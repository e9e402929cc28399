# Tests of search
SEARCH_TEST_LIBS = engine/libsearch.a engine/libbase.a $(OPENBLAS_LIBS) $(JANSSON_LIBS) -lm
SEARCH_CURVES = tests/bench/search_curves.c tests/bench/search_curves.h \
  tests/bench/search_functions.c tests/bench/search_functions.h
SEARCH_TESTS = tests/unit/test_search_belief tests/unit/test_gp tests/unit/test_acquire tests/unit/test_search \
  tests/unit/test_search_outcome tests/unit/test_search_space tests/unit/test_search_minima \
  tests/unit/test_search_warm tests/unit/test_search_rungs tests/unit/test_search_importance tests/unit/test_search_slice \
  tests/unit/test_search_rules tests/unit/test_search_odd tests/unit/test_search_many \
  tests/unit/test_search_replay tests/unit/test_search_portfolio
check_PROGRAMS += $(SEARCH_TESTS)
TESTS += $(SEARCH_TESTS)
tests_unit_test_search_belief_SOURCES = tests/unit/test_search_belief.c tests/unit/test_search_near.h
tests_unit_test_search_belief_LDADD = $(SEARCH_TEST_LIBS) $(CMOCKA_LIBS)
tests_unit_test_gp_SOURCES = tests/unit/test_gp.c tests/unit/test_search_near.h \
  tests/num/gp_numbers.h
tests_unit_test_acquire_SOURCES = tests/unit/test_acquire.c tests/unit/test_search_near.h \
  tests/num/special_numbers.h
tests_unit_test_search_SOURCES = tests/unit/test_search.c
tests_unit_test_search_space_SOURCES = tests/unit/test_search_space.c \
  tests/unit/test_search_near.h
tests_unit_test_search_outcome_SOURCES = tests/unit/test_search_outcome.c \
  tests/unit/test_search_near.h
tests_unit_test_search_minima_SOURCES = tests/unit/test_search_minima.c \
  tests/bench/search_functions.c tests/bench/search_functions.h
tests_unit_test_search_warm_SOURCES = tests/unit/test_search_warm.c \
  tests/bench/search_functions.c tests/bench/search_functions.h
tests_unit_test_search_many_SOURCES = tests/unit/test_search_many.c
tests_unit_test_search_many_LDADD = $(SEARCH_TEST_LIBS) $(CMOCKA_LIBS)
tests_unit_test_search_portfolio_SOURCES = tests/unit/test_search_portfolio.c \
  tests/unit/test_search_near.h tests/unit/test_search_told.h
tests_unit_test_search_portfolio_LDADD = $(SEARCH_TEST_LIBS) $(CMOCKA_LIBS)
tests_unit_test_search_replay_SOURCES = tests/unit/test_search_replay.c
tests_unit_test_search_replay_LDADD = $(SEARCH_TEST_LIBS) $(CMOCKA_LIBS)
tests_unit_test_search_rungs_SOURCES = tests/unit/test_search_rungs.c $(SEARCH_CURVES)
tests_unit_test_search_rungs_LDADD = $(SEARCH_TEST_LIBS) $(CMOCKA_LIBS)
tests_unit_test_search_importance_SOURCES = tests/unit/test_search_importance.c \
  tests/unit/test_search_near.h tests/unit/test_search_told.h
tests_unit_test_search_slice_SOURCES = tests/unit/test_search_slice.c tests/unit/test_search_near.h \
  tests/unit/test_search_told.h tests/bench/search_functions.c tests/bench/search_functions.h
tests_unit_test_search_slice_LDADD = $(SEARCH_TEST_LIBS) $(CMOCKA_LIBS)
tests_unit_test_search_importance_LDADD = $(SEARCH_TEST_LIBS) $(CMOCKA_LIBS)
tests_unit_test_search_rules_SOURCES = tests/unit/test_search_rules.c \
  tests/harness/space_build.h tests/harness/space_random.h
tests_unit_test_search_odd_SOURCES = tests/unit/test_search_odd.c tests/harness/space_build.h
tests_unit_test_search_odd_LDADD = $(SEARCH_TEST_LIBS) $(CMOCKA_LIBS)
tests_unit_test_search_rules_LDADD = $(SEARCH_TEST_LIBS) $(CMOCKA_LIBS)
tests_unit_test_search_warm_LDADD = $(SEARCH_TEST_LIBS) $(CMOCKA_LIBS)
tests_unit_test_gp_LDADD = $(SEARCH_TEST_LIBS) $(CMOCKA_LIBS)
tests_unit_test_acquire_LDADD = $(SEARCH_TEST_LIBS) $(CMOCKA_LIBS)
tests_unit_test_search_LDADD = $(SEARCH_TEST_LIBS) $(CMOCKA_LIBS)
tests_unit_test_search_space_LDADD = $(SEARCH_TEST_LIBS) $(CMOCKA_LIBS)
tests_unit_test_search_outcome_LDADD = $(SEARCH_TEST_LIBS) $(CMOCKA_LIBS)
tests_unit_test_search_minima_LDADD = $(SEARCH_TEST_LIBS) $(CMOCKA_LIBS)

# How good the methods are on functions with known minima: `make tests/bench/search_vs_random`.
EXTRA_PROGRAMS += tests/bench/search_vs_random
tests_bench_search_vs_random_SOURCES = tests/bench/search_vs_random.c \
  tests/bench/search_functions.c tests/bench/search_functions.h
tests_bench_search_vs_random_LDADD = $(SEARCH_TEST_LIBS)

# What stopping trials early gains, on made-up learning curves: `make tests/bench/search_rungs`.
EXTRA_PROGRAMS += tests/bench/search_rungs
tests_bench_search_rungs_SOURCES = tests/bench/search_rungs.c $(SEARCH_CURVES)
tests_bench_search_rungs_LDADD = $(SEARCH_TEST_LIBS)

# Attune's search for the bench against peers (tests/bench/search/README.md).
EXTRA_PROGRAMS += tests/bench/search/attune_ask tests/bench/search/latency
tests_bench_search_attune_ask_SOURCES = tests/bench/search/attune_ask.c
tests_bench_search_attune_ask_LDADD = $(SEARCH_TEST_LIBS)
tests_bench_search_latency_SOURCES = tests/bench/search/latency.c
tests_bench_search_latency_LDADD = $(SEARCH_TEST_LIBS)

EXTRA_DIST += tests/num/gen_gp.py tests/num/gen_special.py tests/num/gen_sobol_table.py
