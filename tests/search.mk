# Tests of search
EXTRA_PROGRAMS += tests/bench/search_vs_random
tests_bench_search_vs_random_SOURCES = tests/bench/search_vs_random.c \
  tests/bench/search_functions.c tests/bench/search_functions.h
tests_bench_search_vs_random_LDADD = engine/libsearch.a engine/libbase.a $(OPENBLAS_LIBS) -lm
