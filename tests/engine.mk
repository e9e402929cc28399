# Tests of engine/tune and engine/worker, and of sql/db_work*.c, which only they use.
ENGINE_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS) $(CMOCKA_CFLAGS) $(JANSSON_CFLAGS)
ENGINE_TEST_LIBS = tests/harness/libtestdb.a $(ENGINE_LIBS) sql/libdb.a engine/libbase.a \
  $(ENGINE_SYSLIBS) $(SQL_LIBS) $(CMOCKA_LIBS)
ENGINE_UNIT_LIBS = $(ENGINE_LIBS) $(ENGINE_SYSLIBS) $(CMOCKA_LIBS)
ENGINE_UNIT_TESTS = tests/unit/test_bbc tests/unit/test_calibrate tests/unit/test_tune_decide tests/unit/test_tune_long tests/unit/test_tune_long_network tests/unit/test_tune_repeat tests/unit/test_tune_fast tests/unit/test_tune_mix tests/unit/test_tune_refit tests/unit/test_tune_prior tests/unit/test_tune_settle tests/unit/test_tune_rungs tests/unit/test_tune_study \
  tests/unit/test_tail tests/unit/test_tune_rows tests/unit/test_tune_unit \
  tests/unit/test_engine_program
check_PROGRAMS += $(ENGINE_UNIT_TESTS)
TESTS += $(ENGINE_UNIT_TESTS)
tests_unit_test_bbc_SOURCES = tests/unit/test_bbc.c
tests_unit_test_bbc_LDADD = $(ENGINE_UNIT_LIBS)
tests_unit_test_calibrate_SOURCES = tests/unit/test_calibrate.c
tests_unit_test_calibrate_LDADD = $(ENGINE_UNIT_LIBS)
tests_unit_test_tune_decide_SOURCES = tests/unit/test_tune_decide.c
tests_unit_test_tune_decide_LDADD = $(ENGINE_UNIT_LIBS)
tests_unit_test_tune_long_SOURCES = tests/unit/test_tune_long.c
tests_unit_test_tune_long_LDADD = $(ENGINE_UNIT_LIBS)
tests_unit_test_tune_long_network_SOURCES = tests/unit/test_tune_long_network.c
tests_unit_test_tune_long_network_LDADD = $(ENGINE_UNIT_LIBS)
tests_unit_test_tune_repeat_SOURCES = tests/unit/test_tune_repeat.c
tests_unit_test_tune_repeat_LDADD = $(ENGINE_UNIT_LIBS)
tests_unit_test_tune_fast_SOURCES = tests/unit/test_tune_fast.c
tests_unit_test_tune_fast_LDADD = $(ENGINE_UNIT_LIBS)
tests_unit_test_tune_mix_SOURCES = tests/unit/test_tune_mix.c
tests_unit_test_tune_mix_LDADD = $(ENGINE_UNIT_LIBS)

tests_unit_test_tune_refit_SOURCES = tests/unit/test_tune_refit.c
tests_unit_test_tune_refit_LDADD = $(ENGINE_UNIT_LIBS)
tests_unit_test_tune_settle_SOURCES = tests/unit/test_tune_settle.c
tests_unit_test_tune_settle_LDADD = $(ENGINE_UNIT_LIBS)
tests_unit_test_tune_rungs_SOURCES = tests/unit/test_tune_rungs.c
tests_unit_test_tune_rungs_LDADD = $(ENGINE_UNIT_LIBS)
tests_unit_test_tune_prior_SOURCES = tests/unit/test_tune_prior.c tests/unit/test_study.h
tests_unit_test_tune_prior_LDADD = $(ENGINE_UNIT_LIBS)
tests_unit_test_tune_study_SOURCES = tests/unit/test_tune_study.c tests/unit/test_study.h
tests_unit_test_tune_study_LDADD = $(ENGINE_UNIT_LIBS)
tests_unit_test_tail_SOURCES = tests/unit/test_tail.c engine/worker/tail.c
tests_unit_test_tail_LDADD = $(CMOCKA_LIBS)
tests_unit_test_engine_program_SOURCES = tests/unit/test_engine_program.c \
  engine/worker/estate.c engine/worker/work_dir.c
tests_unit_test_engine_program_LDADD = $(ENGINE_UNIT_LIBS)
tests_unit_test_tune_rows_SOURCES = tests/unit/test_tune_rows.c
tests_unit_test_tune_rows_LDADD = $(ENGINE_UNIT_LIBS)
tests_unit_test_tune_unit_SOURCES = tests/unit/test_tune_unit.c
tests_unit_test_tune_unit_LDADD = $(ENGINE_UNIT_LIBS)

ENGINE_DB_TESTS = tests/db/test_db_work tests/db/test_db_work_many tests/db/test_db_work_rung tests/db/test_engine \
  tests/db/test_engine_kill tests/db/test_engine_control tests/db/test_engine_rungs
check_PROGRAMS += $(ENGINE_DB_TESTS)
TESTS += $(ENGINE_DB_TESTS)
tests_db_test_engine_SOURCES = tests/db/test_engine.c \
  tests/harness/test_engine.c tests/harness/test_engine.h
tests_db_test_engine_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
tests_db_test_engine_LDADD = $(ENGINE_TEST_LIBS)
tests_db_test_db_work_SOURCES = tests/db/test_db_work.c tests/harness/test_work.h
tests_db_test_db_work_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
tests_db_test_db_work_LDADD = $(ENGINE_TEST_LIBS)
tests_db_test_engine_kill_SOURCES = tests/db/test_engine_kill.c \
  tests/harness/test_engine.c tests/harness/test_engine.h
tests_db_test_engine_kill_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
tests_db_test_engine_kill_LDADD = $(ENGINE_TEST_LIBS)
tests_db_test_db_work_many_SOURCES = tests/db/test_db_work_many.c tests/harness/test_work.h
tests_db_test_db_work_many_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
tests_db_test_db_work_many_LDADD = $(ENGINE_TEST_LIBS)
tests_db_test_db_work_rung_SOURCES = tests/db/test_db_work_rung.c
tests_db_test_db_work_rung_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
tests_db_test_db_work_rung_LDADD = $(ENGINE_TEST_LIBS)
tests_db_test_engine_rungs_SOURCES = tests/db/test_engine_rungs.c \
  tests/harness/test_engine.c tests/harness/test_engine.h
tests_db_test_engine_rungs_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
tests_db_test_engine_rungs_LDADD = $(ENGINE_TEST_LIBS)
tests_db_test_engine_control_SOURCES = tests/db/test_engine_control.c \
  tests/harness/test_engine.c tests/harness/test_engine.h
tests_db_test_engine_control_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
tests_db_test_engine_control_LDADD = $(ENGINE_TEST_LIBS)
