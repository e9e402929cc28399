noinst_LIBRARIES += engine/libsearch.a
# The kernel's loops are marked for vectorising (no OpenMP runtime is used).
engine_libsearch_a_CFLAGS = $(AM_CFLAGS) -fopenmp-simd -fno-math-errno -fno-trapping-math -ffp-contract=off
engine_libsearch_a_SOURCES = \
  engine/search/acquire.c engine/search/acquire.h engine/search/acquire_internal.h \
  engine/search/acquire_candidates.c \
  engine/search/belief.c engine/search/belief.h \
  engine/search/advance.c engine/search/advance.h \
  engine/search/bayes.c \
  engine/search/enumerate.c engine/search/enumerate.h \
  engine/search/features.c engine/search/features.h \
  engine/search/fidelity.c engine/search/fidelity.h \
  engine/search/gain.c engine/search/gain.h \
  engine/search/gp.c engine/search/gp.h \
  engine/search/gp_fit.c \
  engine/search/gp_kernel.c engine/search/gp_kernel.h \
  engine/search/grid.c \
  engine/search/importance.c engine/search/importance.h engine/search/importance_internal.h \
  engine/search/importance_anova.c \
  engine/search/importance_trials.c \
  engine/search/insight.c engine/search/insight.h \
  engine/search/lbfgs.c engine/search/lbfgs.h \
  engine/search/many.c engine/search/many.h \
  engine/search/outcome.c engine/search/outcome.h \
  engine/search/pareto.c \
  engine/search/parzen.c engine/search/parzen.h \
  engine/search/portfolio.c engine/search/portfolio.h \
  engine/search/random.c \
  engine/search/search.c engine/search/search.h engine/search/search_internal.h \
  engine/search/search_log.c \
  engine/search/seen.c \
  engine/search/slice.c engine/search/slice.h \
  engine/search/sobol.c engine/search/sobol.h \
  engine/search/sobol_sequence.c engine/search/sobol_sequence.h \
  engine/search/sobol_table.c engine/search/sobol_table.h \
  engine/search/special.c engine/search/special.h \
  engine/search/standing.c engine/search/standing.h \
  engine/search/surrogate.c engine/search/surrogate.h engine/search/surrogate_internal.h \
  engine/search/surrogate_fit.c \
  engine/search/tpe.c \
  engine/search/volume.c engine/search/volume.h
