noinst_LIBRARIES += engine/libtune.a
engine_libtune_a_SOURCES = \
  engine/tune/baseline.c engine/tune/baseline.h \
  engine/tune/bbc_cv.c engine/tune/bbc_cv.h \
  engine/tune/calibrate.c engine/tune/calibrate.h \
  engine/tune/conformal.c engine/tune/conformal.h \
  engine/tune/confusions.c engine/tune/confusions.h \
  engine/tune/greedy.c engine/tune/greedy.h \
  engine/tune/paired.c engine/tune/paired.h \
  engine/tune/report.c engine/tune/report.h \
  engine/tune/stop_rows.c engine/tune/stop_rows.h \
  engine/tune/suspects.c engine/tune/suspects.h \
  engine/tune/tune_bag.c engine/tune/tune_bag.h \
  engine/tune/tune_data.c engine/tune/tune_data.h \
  engine/tune/tune_decide.c engine/tune/tune_decide.h \
  engine/tune/tune_finish.c engine/tune/tune_finish.h engine/tune/tune_finish_internal.h \
  engine/tune/tune_finish_choose.c engine/tune/tune_finish_fast.c engine/tune/tune_finish_refit.c \
  engine/tune/tune_gain.c engine/tune/tune_gain.h \
  engine/tune/tune_kept.c engine/tune/tune_kept.h \
  engine/tune/tune_limits.c engine/tune/tune_limits.h \
  engine/tune/tune_long.c engine/tune/tune_long.h engine/tune/tune_long_grow.c \
  engine/tune/tune_long_internal.h \
  engine/tune/tune_prior.c engine/tune/tune_prior.h \
  engine/tune/tune_range.c engine/tune/tune_range.h \
  engine/tune/tune_refit.c engine/tune/tune_refit.h \
  engine/tune/tune_repeat.c engine/tune/tune_repeat.h \
  engine/tune/tune_rungs.c engine/tune/tune_rungs.h \
  engine/tune/tune_settle.c engine/tune/tune_settle.h \
  engine/tune/tune_score.c engine/tune/tune_score.h \
  engine/tune/tune_study.c engine/tune/tune_study.h engine/tune/tune_study_internal.h \
  engine/tune/tune_study_cost.c engine/tune/tune_study_next.c \
  engine/tune/tune_unit.c engine/tune/tune_unit.h \
  engine/tune/tune_winner.c engine/tune/tune_winner.h \
  engine/tune/warnings.c engine/tune/warnings.h
