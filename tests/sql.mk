# Tests of sql: each program gets a PostgreSQL cluster of its own from tests/harness/with_postgres.sh.
check_LIBRARIES = tests/harness/libtestdb.a
tests_harness_libtestdb_a_SOURCES = tests/harness/test_db.c tests/harness/test_db.h \
  tests/harness/test_stage.h tests/harness/test_stage_engine.h tests/harness/test_stage_jobs.h tests/harness/test_stage_tenants.h \
  tests/harness/test_stage_workers.h
tests_harness_libtestdb_a_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS) $(CMOCKA_CFLAGS) \
  -DTEST_HARNESS_DIR='"$(abs_top_srcdir)/tests/harness"'
EXTRA_DIST += tests/harness/with_postgres.sh

SQL_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS) $(CMOCKA_CFLAGS) $(JANSSON_CFLAGS)
SQL_TEST_LIBS = tests/harness/libtestdb.a sql/libdb.a engine/libbase.a $(SQL_LIBS) \
  $(CMOCKA_LIBS) $(JANSSON_LIBS)

check_PROGRAMS += tests/unit/test_job_state
TESTS += tests/unit/test_job_state
tests_unit_test_job_state_SOURCES = tests/unit/test_job_state.c
tests_unit_test_job_state_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_job_state_LDADD = sql/libdb.a $(CMOCKA_LIBS)

SQL_TESTS = tests/db/test_db_exec tests/db/test_db_conn tests/db/test_db_patch tests/db/test_db_blob \
  tests/db/test_db_admin tests/db/test_db_tenant tests/db/test_db_dataset tests/db/test_db_job \
  tests/db/test_db_job_control tests/db/test_db_model tests/db/test_db_insight \
  tests/db/test_db_batch tests/db/test_db_range tests/db/test_db_study
check_PROGRAMS += $(SQL_TESTS)
TESTS += $(SQL_TESTS)
tests_db_test_db_exec_SOURCES = tests/db/test_db_exec.c
tests_db_test_db_exec_CPPFLAGS = $(SQL_TEST_CPPFLAGS)
tests_db_test_db_exec_LDADD = $(SQL_TEST_LIBS)
tests_db_test_db_patch_SOURCES = tests/db/test_db_patch.c
tests_db_test_db_patch_CPPFLAGS = $(SQL_TEST_CPPFLAGS)
tests_db_test_db_patch_LDADD = $(SQL_TEST_LIBS)
tests_db_test_db_blob_SOURCES = tests/db/test_db_blob.c
tests_db_test_db_blob_CPPFLAGS = $(SQL_TEST_CPPFLAGS)
tests_db_test_db_blob_LDADD = $(SQL_TEST_LIBS)
tests_db_test_db_admin_SOURCES = tests/db/test_db_admin.c
tests_db_test_db_admin_CPPFLAGS = $(SQL_TEST_CPPFLAGS)
tests_db_test_db_admin_LDADD = $(SQL_TEST_LIBS)
tests_db_test_db_tenant_SOURCES = tests/db/test_db_tenant.c
tests_db_test_db_tenant_CPPFLAGS = $(SQL_TEST_CPPFLAGS)
tests_db_test_db_tenant_LDADD = $(SQL_TEST_LIBS)
tests_db_test_db_dataset_SOURCES = tests/db/test_db_dataset.c
tests_db_test_db_dataset_CPPFLAGS = $(SQL_TEST_CPPFLAGS)
tests_db_test_db_dataset_LDADD = $(SQL_TEST_LIBS)
tests_db_test_db_job_SOURCES = tests/db/test_db_job.c
tests_db_test_db_job_CPPFLAGS = $(SQL_TEST_CPPFLAGS)
tests_db_test_db_job_LDADD = $(SQL_TEST_LIBS)
tests_db_test_db_job_control_SOURCES = tests/db/test_db_job_control.c
tests_db_test_db_job_control_CPPFLAGS = $(SQL_TEST_CPPFLAGS)
tests_db_test_db_job_control_LDADD = $(SQL_TEST_LIBS)
tests_db_test_db_insight_SOURCES = tests/db/test_db_insight.c
tests_db_test_db_insight_CPPFLAGS = $(SQL_TEST_CPPFLAGS)
tests_db_test_db_insight_LDADD = $(SQL_TEST_LIBS)
tests_db_test_db_batch_SOURCES = tests/db/test_db_batch.c
tests_db_test_db_batch_CPPFLAGS = $(SQL_TEST_CPPFLAGS)
tests_db_test_db_batch_LDADD = $(SQL_TEST_LIBS)
tests_db_test_db_range_SOURCES = tests/db/test_db_range.c tests/harness/test_work.h
tests_db_test_db_range_CPPFLAGS = $(SQL_TEST_CPPFLAGS)
tests_db_test_db_range_LDADD = $(SQL_TEST_LIBS)
tests_db_test_db_study_SOURCES = tests/db/test_db_study.c
tests_db_test_db_study_CPPFLAGS = $(SQL_TEST_CPPFLAGS)
tests_db_test_db_study_LDADD = $(SQL_TEST_LIBS)
tests_db_test_db_model_SOURCES = tests/db/test_db_model.c
tests_db_test_db_model_CPPFLAGS = $(SQL_TEST_CPPFLAGS)
tests_db_test_db_model_LDADD = $(SQL_TEST_LIBS)
tests_db_test_db_conn_SOURCES = tests/db/test_db_conn.c
tests_db_test_db_conn_CPPFLAGS = $(SQL_TEST_CPPFLAGS)
tests_db_test_db_conn_LDADD = $(SQL_TEST_LIBS)
